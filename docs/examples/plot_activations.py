"""
Activation maps
===============

Where each channel of a layer answers to the photograph.

**How to read it.** Every tile is a channel, laid out like the photograph: bright is where the
channel answers strongly, black where it does not. The strongest channels come first; the number
below a tile is the channel's. A cross marks a channel that gives the same value everywhere: it is
dead for this photograph. Each tile is stretched to its own full contrast; ``scale="layer"`` draws
all on one scale.

**Its limits.** A map says where a channel answers, not to what: that takes many photographs. What
stands for a thing is often a pattern over several channels, and no single tile shows it. A
network with ReLU6, as here, cuts its activations at 6, so that several channels may share the top
strength; their order is then that of their numbers.

**Paper.** Yosinski, Clune, Nguyen, Fuchs and Lipson 2015, `Understanding Neural Networks Through
Deep Visualization <https://arxiv.org/abs/1506.06579>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.activations(net, cat, layer="bn1")

# %%
# The first layer keeps the photograph's detail. Some channels draw its edges in one direction or
# another, some answer to brightness or to a color, and one or two to little but the pupils.
#
# Deep inside, a map has 14 x 14 places, each of which sees much of the photograph. Most of the
# layer is silent, and some of what is left lies on the parts of a cat: both eyes, the nose, the
# lower edge of the face.

deep = cs.activations(net, cat, layer="blocks.4.2.bn2")
deep

# %%
# How much of the layer was silent, and how many channels were dead for this photograph:

summary = deep.result().summary
print(f"{summary['silent']:.0%} of the values are zero")
print(f"{summary['dead']} of {summary['channels']} channels are dead")
