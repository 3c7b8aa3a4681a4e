"""
Carlini and Wagner's attack
===========================

The smallest change that a trade between its size and the margin of two logits finds.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified by the gain above it. On the right is the attacked image, in
which another class is barely ahead.

**Its limits.** It takes several times as many gradients as ``deepfool``. The weight of the margin
is searched by bisection, and more rounds find slightly smaller changes. What is found is a bound:
there may be a smaller change that no gradient leads to.

**Paper.** Carlini and Wagner 2017, `Towards Evaluating the Robustness of Neural Networks
<https://arxiv.org/abs/1608.04644>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.carlini_wagner(net, cat)

# %%
# Beside DeepFool:

for attack in (cs.deepfool, cs.carlini_wagner):
    summary = attack(net, cat).result().summary
    print(f"L2 {summary['l2']:.4f} after {summary['gradients']} gradients")
