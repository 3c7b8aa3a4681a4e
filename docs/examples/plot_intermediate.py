"""
Intermediate features
=====================

Which pixels drive a unit in the middle of the network, by three ways back.

**How to read it.** Four pictures are one unit. First the patch of the photograph that the unit
sees; gray is beyond the photograph's border. Then what in the patch raises the unit, drawn around
gray in the colors that would raise it: the gradient as it is (``plain``), by the deconvnet, which
keeps at every ReLU what is positive on the way back, and by guided backpropagation, which moreover
keeps it only where the unit was active. Below the patch stands the unit's name: channel, row and
column. The channels are those that stand out most on this photograph, each at its strongest place.

**Its limits.** Only the plain gradient is true, in that a small step along it changes the unit by
as much as it says; and it is the one that shows least, for it jumps from pixel to pixel. The guided
picture is crisp since it leaves out all that speaks against the unit: it says which details the
unit was found by, not what would switch it off. The deconvnet was made for networks with max
pooling, whose switches remember where things were. In one that shrinks its maps by strides, as
here, it shows squares and little of the photograph.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__; Springenberg, Dosovitskiy, Brox and Riedmiller 2015,
`Striving for Simplicity: The All Convolutional Net <https://arxiv.org/abs/1412.6806>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.intermediate(net, cat)

# %%
# Without a target it takes the deepest layer whose units see at most two fifths of the image.
# Several units have found an eye, each by another part of it: the lower lid, the pupil, the upper
# lid. Others keep to the edge of the nose and to the whiskers. All three gradients are averaged
# over eight noisy copies of the photograph; ``samples=1`` takes the photograph alone.
#
# Further up, units see most of the photograph, and those that stand out have all found the same
# thing. What they follow in it is a whole eye:

cs.intermediate(net, cat, target="blocks.4.1.bn1.pre", limit=4)

# %%
# On another photograph, other channels stand out: they follow rims, the handle, the spoon.

cs.intermediate(net, cs.open_image("sample:coffee"))

# %%
# One channel alone, at the place where it is strongest:

cs.intermediate(net, cat, target="blocks.3.1.bn1.pre:441")
