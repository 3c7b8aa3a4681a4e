"""
DeepFool
========

A small change that just crosses the nearest boundary between two classes.

**How to read it.** On the left is what the network sees of the photograph, with its predictions. In
the middle is the change, amplified by the gain above it. On the right is the attacked image, in
which another class is barely ahead. The L2 norm of the change says how far the photograph is from
the boundary.

**Its limits.** The change is small, not the smallest: the steps follow a linear picture of the
network, and ``carlini_wagner`` finds smaller ones. Most changes are below 1/255, so the saved
photograph carries them only as noise of single steps, and often no longer fools the network.

**Paper.** Moosavi-Dezfooli, Fawzi and Frossard 2016, `DeepFool: A Simple and Accurate Method to
Fool Deep Neural Networks <https://arxiv.org/abs/1511.04599>`__. The search for a nearer point,
once the image is across, follows Croce and Hein 2020, `Minimally Distorted Adversarial Examples
with a Fast Adaptive Boundary Attack <https://arxiv.org/abs/1907.02044>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
cs.deepfool(net, coffee)

# %%
# The distance to a class that is far off is larger:

near = cs.deepfool(net, coffee).result().summary
far = cs.deepfool(net, coffee, target="volcano").result().summary
print(f"{near['prediction']}: L2 {near['l2']:.2f}, {far['prediction']}: L2 {far['l2']:.2f}")
