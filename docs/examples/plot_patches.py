"""
Patches
=======

The patches of a photograph collection that excite a channel most.

**How to read it.** A row is a channel, with its strongest photographs first. The number below a
patch is the activation there. What the patches of a row have in common is what the channel
detects: a direction of edges, a color, a texture, and in deeper layers a part of an object. A patch
is exactly the receptive field of the unit, so whatever explains the activation is in the picture.
Gray lies outside of what the network sees: many units respond to the border itself.

**Its limits.** The nine best photographs of a collection may be far from what the channel prefers,
or may all show one aspect of it. Look also at the lowest activations (``extreme="both"``), and at
an image climbed for the channel (:doc:`neuron image <plot_neuron_image>`). The receptive field of a
deep unit is the whole photograph, so a patch no longer tells which part of it counts.
``show="mask"`` cuts out the area where the channel is active, and ``show="guided"`` draws the
details beside the patch. A crossed-out row belongs to a dead channel, and its photographs mean
nothing.

**Paper.** Girshick, Donahue, Darrell and Malik 2014, `Rich Feature Hierarchies for Accurate Object
Detection and Semantic Segmentation <https://arxiv.org/abs/1311.2524>`__, for the idea of showing
what excites each unit; Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional
Networks <https://arxiv.org/abs/1311.2901>`__, for the deconvnet picture beside
the patch.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
cs.patches(net, index=index, target="blocks.1", limit=8)

# %%
# The collection is small: it consists of parts of thirteen photographs. Early channels still find
# plenty in it. Some detect edges of one direction, others a color or two adjacent colors. The
# lowest activations of a channel often show the opposite:

cs.patches(net, index=index, target="blocks.1", limit=4, extreme="both")

# %%
# In a deeper layer the receptive field is 67 of 224 pixels wide: textures and parts of objects.

cs.patches(net, index=index, target="blocks.2", limit=6)

# %%
# The receptive field of these units is the whole photograph. The patches show only where the
# channel is active.

cs.patches(net, index=index, target="blocks.4", limit=6, show="mask")

# %%
# Guided backpropagation from the unit shows which details of a patch excite it.

cs.patches(net, index=index, target="blocks.2", limit=4, count=5, show="guided")

# %%
# The summary says where each patch lies in its photograph (top, left, height and width in pixels):

found = cs.patches(net, index=index, target="blocks.2:0", count=1).result()
print(found.summary["patches"]["blocks.2:0 highest"][0])
