"""
Deconvnet
=========

What excites a unit, found by running the network in reverse.

**How to read it.** The target's activation is sent back to the pixels. Every ReLU on the way keeps
what is positive in the signal itself, whatever the unit did in the forward pass. Each patch of the
photograph has beside it the pattern that its unit responds to, drawn around gray: gray is zero, and
colors are those that would raise the activation.

**Its limits.** The rule ignores which ReLUs were active. Only the positions of the strongest units
connect the picture to the photograph, and, in the networks of the paper, the switches of max
pooling, which record which of four pixels passed. A network that downsamples by strides instead,
like the default one, has no switches. The pictures of its early layers show the patterns that units
respond to. Those of deep layers show a checkerboard that has nothing to do with the photograph, as
the second picture shows. Use :doc:`guided backpropagation <plot_guided_backprop>` for deep layers.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.deconvnet(net, cat)

# %%
# Without a target the technique uses the deepest layer whose units still see only a detail. The
# patterns are spots and edges of one color, each surrounded by its opposite.
#
# A class, sent back through the whole network: the squares come from the strides. A layer of stride
# 2 passes its signal back to every second pixel only, and five of them leave a grid of 32 pixels.
# With every negative value dropped, nothing cancels this grid. Another photograph gives nearly the
# same picture:

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [cs.deconvnet(net, photo, target="tabby").result() for photo in (cat, coffee)]
print(f"correlation {np.corrcoef([one.gradient.ravel() for one in two])[0, 1]:.2f}")
two

# %%
# SqueezeNet, the second network that convscope brings along, has max pooling. Its switches carry
# the signal back to the pixels that won, so the picture of a class shows the lines of the
# photograph, and another photograph gives another picture:

squeezenet = cs.load("squeezenet1_1")
two = [cs.deconvnet(squeezenet, photo, target="tabby").result() for photo in (cat, coffee)]
print(f"correlation {np.corrcoef([one.gradient.ravel() for one in two])[0, 1]:.2f}")
two

# %%
# It works in deep layers as well. These channels respond to eyes, to stripes above the nose and to
# whiskers; compare the pictures of :doc:`guided backpropagation <plot_guided_backprop>`.

cs.deconvnet(squeezenet, cat, target="features.9")
