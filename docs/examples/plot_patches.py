"""
Patches
=======

The parts of many photographs that excite a channel most, and what of them does.

**How to read it.** A row is a channel, its strongest photographs first; the number below a patch is
the channel's answer there. What a row has in common is what the channel looks for: a direction of
edges, a color, a texture, and deeper a part of a thing. A patch is exactly what the unit sees (its
receptive field), so whatever explains the answer is in the picture. Plain gray lies beyond the
border of what the network saw: many units answer to the border itself.

**Its limits.** Of the photographs that there are, the nine best may be far from what the channel
likes best, or all from one corner of it; look also at those that it likes least
(``extreme="both"``), and at what it would draw itself (:doc:`neuron image <plot_neuron_image>`).
Deep units see the whole photograph, and a patch no longer tells which part of it counts:
``show="mask"`` cuts out where the channel answers, ``show="guided"`` draws the details beside it. A
row that is crossed out is dead, and its photographs mean nothing.

**Paper.** Girshick, Donahue, Darrell and Malik 2014, `Rich Feature Hierarchies for Accurate Object
Detection and Semantic Segmentation <https://arxiv.org/abs/1311.2524>`__, for the idea of letting
units speak for themselves; Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional
Networks <https://arxiv.org/abs/1311.2901>`__, for the picture beside the patch.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
cs.patches(net, index=index, target="blocks.1", limit=8)

# %%
# The collection is small: parts of thirteen photographs. Early channels find plenty in it all the
# same. Some look for edges in one direction, some for a color or for two side by side. What each
# answers to least is often its opposite:

cs.patches(net, index=index, target="blocks.1", limit=4, extreme="both")

# %%
# Deeper, a unit sees 67 of 224 pixels a side: textures and parts of things.

cs.patches(net, index=index, target="blocks.2", limit=6)

# %%
# These units see everything, and are cut to where their channel answers.

cs.patches(net, index=index, target="blocks.4", limit=6, show="mask")

# %%
# Guided backpropagation to the same unit tells which details of a patch excite it.

cs.patches(net, index=index, target="blocks.2", limit=4, count=5, show="guided")

# %%
# Where the strongest of the first of these lies, in pixels of its photograph:

found = cs.patches(net, index=index, target="blocks.2:0", count=1).result()
print(found.summary["patches"]["blocks.2:0 most"][0])
