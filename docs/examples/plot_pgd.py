"""
Projected gradient descent
==========================

Small steps along the gradient that never leave a ball around the photograph.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified by the gain above it. On the right is the attacked image, with
its predictions. No pixel changes by more than epsilon; with ``norm="l2"`` the length of the whole
change is bounded instead.

**Its limits.** The attack ends as soon as another class is in front, so that class may be barely
ahead, and 8 bits may be too coarse for it. An attack that fails does not show that the network is
robust. Some networks hide their gradient, by rounding or by chance: the summary then has a note.

**Paper.** Madry, Makelov, Schmidt, Tsipras and Vladu 2018, `Towards Deep Learning Models Resistant
to Adversarial Attacks <https://arxiv.org/abs/1706.06083>`__. The margin of two logits in place of
the cross entropy comes from Carlini and Wagner 2017, `Towards Evaluating the Robustness of Neural
Networks <https://arxiv.org/abs/1608.04644>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.pgd(net, cat)

# %%
# A target far away takes a larger change. It is still hard to see. The network is not sure of the
# target, which is just ahead of all other classes; ``fool`` goes on until it is sure:

cs.pgd(net, cat, target="volcano", epsilon=2 / 255)

# %%
# Several photographs at a time. Those that fool the network leave the batch:

import torch

names = ("chelsea", "coffee", "rocket")
photographs = torch.cat([net.preprocess(cs.open_image(f"sample:{name}")) for name in names])
found = cs.pgd(net, photographs, norm="l2", epsilon=0.5).result()
print(found.summary["prediction"])
print("gradients:", found.summary["gradients"])
found
