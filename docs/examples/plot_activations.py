"""
Activation maps
===============

Where each channel of a layer responds to the photograph.

**How to read it.** Each tile is one channel, laid out like the photograph. A channel responds
strongly where its tile is bright and not at all where it is black. The strongest channels come
first, and the number below a tile is the channel's number. A cross marks a dead channel, which has
the same value everywhere on this photograph. Each tile is stretched to its own full contrast;
``scale="layer"`` draws all tiles on one scale.

**Its limits.** A map shows where a channel responds, not what it responds to in general; that takes
many photographs (:doc:`patches <plot_patches>`). An object is often represented by a pattern over
several channels, which no single tile shows. A network with ReLU6, such as the default one, clips
its activations at 6, so several channels may tie as the strongest. The mean of their maps then
decides the order.

**Paper.** Yosinski, Clune, Nguyen, Fuchs and Lipson 2015, `Understanding Neural Networks Through
Deep Visualization <https://arxiv.org/abs/1506.06579>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.activations(net, cat, layer="bn1")

# %%
# The first layer keeps the details of the photograph. Some channels respond to edges of one
# direction, some to brightness or to one color, and one or two to little but the pupils.
#
# A map of a deep layer has 14 x 14 positions, and the receptive field of each covers much of the
# photograph. Most of the layer is zero, and some of the rest lies on the parts of a cat: both eyes,
# the nose, the lower edge of the face.

deep = cs.activations(net, cat, layer="blocks.4.2.bn2")
deep

# %%
# The fraction of the layer that is zero, and the number of channels that are dead on this
# photograph:

summary = deep.result().summary
print(f"{summary['fraction_of_zeros']:.0%} of the values are zero")
print(f"{summary['dead_channels']} of {summary['channels']} channels are dead")
