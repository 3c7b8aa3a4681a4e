"""
Carlini and Wagner's attack
===========================

The smallest change that a trade between its size and the margin of two logits finds.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified by the gain above it. On the right is the attacked image, in
which another class is barely ahead.

**Its limits.** It takes more than twice as many gradients as ``deepfool``, whose result it begins
with. What is found is a bound: there may be a smaller change that no gradient leads to. The change
is mostly below 1/255, so the saved photograph often no longer fools the network.

**Paper.** Carlini and Wagner 2017, `Towards Evaluating the Robustness of Neural Networks
<https://arxiv.org/abs/1608.04644>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
cs.carlini_wagner(net, coffee)

# %%
# Beside DeepFool:

for attack in (cs.deepfool, cs.carlini_wagner):
    summary = attack(net, coffee).result().summary
    print(f"L2 {summary['l2']:.3f} after {summary['gradients']} gradients")
