"""
Intermediate features
=====================

Which pixels excite a unit in the middle of the network, by three backward rules.

**How to read it.** Each row of four pictures belongs to one unit. The first is the patch of the
photograph in the unit's receptive field; gray is beyond the border. The others show what in the
patch raises the activation, drawn around gray: the plain gradient; the deconvnet, which keeps the
positive part of the signal at every ReLU; and guided backpropagation, which also requires that the
unit was active. The unit's channel, row and column stand below the patch. The channels are those
that stand out most on this photograph, each at its strongest position.

**Its limits.** Only the plain gradient is a derivative: a small step along it changes the
activation by the amount that it says. It is also the least readable, because it jumps from pixel to
pixel. Guided backpropagation is sharp because it drops everything that opposes the unit. It shows
the details that excited the unit, not what would silence it. The deconvnet was made for networks
with max pooling, whose switches record positions. In a network that downsamples by strides, as
here, it shows squares and little of the photograph.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__; Springenberg, Dosovitskiy, Brox and Riedmiller 2015, `Striving
for Simplicity: The All Convolutional Net <https://arxiv.org/abs/1412.6806>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.intermediate(net, cat)

# %%
# Without a target the technique uses the deepest layer whose receptive fields cover at most two
# fifths of the image. Several units respond to an eye, each to another part of it: the lower lid,
# the pupil, the upper lid. Others respond to the edge of the nose and to the whiskers. All three
# gradients are averaged over eight noisy copies of the photograph; ``samples=1`` uses the
# photograph alone.
#
# The receptive fields of a deeper layer cover most of the photograph, and the units that stand out
# all respond to the same thing, a whole eye:

cs.intermediate(net, cat, target="blocks.4.1.bn1.pre", limit=4)

# %%
# On another photograph other channels stand out. They follow rims, the handle and the spoon.

cs.intermediate(net, cs.open_image("sample:coffee"))

# %%
# A single channel at its strongest position:

cs.intermediate(net, cat, target="blocks.3.1.bn1.pre:441")
