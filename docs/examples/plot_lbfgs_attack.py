"""
L-BFGS attack
=============

The attack that adversarial examples were found with: L-BFGS on the change and the margin.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified by the gain above it. On the right is the attacked image, in
which another class is barely ahead.

**Its limits.** It is slow, because every weight on the margin takes a climb of its own, and each
image is climbed by itself. ``carlini_wagner`` mostly finds smaller changes, and sooner.

**Paper.** Szegedy, Zaremba, Sutskever, Bruna, Erhan, Goodfellow and Fergus 2014, `Intriguing
Properties of Neural Networks <https://arxiv.org/abs/1312.6199>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
cs.lbfgs_attack(net, coffee)
