"""
Neuron image
============

An image that excites a channel or a neuron as much as possible, climbed from noise.

**How to read it.** Each image raises the mean of one channel's feature map. The number below it is
that mean, before the activation function. Channels of early layers prefer strokes, colors and
weaves, those of middle layers textures and shapes, those of deep layers parts of objects. The image
shows what excites the channel. Photographs that excite it (see :doc:`intermediate features
<plot_intermediate>`) tell whether the network uses it for the same thing.

**Its limits.** Many channels have no name: they respond to several different things, and the image
shows one of these or a mixture. The negative extreme of a channel is as much a part of its
computation as the positive one, although a ReLU hides it from the layers above. The image easily
reaches activations far above those of any photograph, so a high activation does not mean that such
a thing appears in photographs.

**Paper.** Erhan, Bengio, Courville and Vincent 2009, `Visualizing Higher-Layer Features of a Deep
Network <https://www.researchgate.net/publication/265022827>`__, for the idea; Olah, Mordvintsev and
Schubert 2017, `Feature Visualization <https://distill.pub/2017/feature-visualization/>`__, for the
method used here.
"""

import convscope as cs

net = cs.load()
cs.neuron_image(net, target="blocks.3.2.bn1", limit=12, steps=96)

# %%
# The first twelve channels of a middle layer show scales, cells, weaves and grooves. A much earlier
# layer:

cs.neuron_image(net, target="blocks.1.1.bn1", limit=6, steps=64)

# %%
# A deeper layer, where parts of animals begin to appear. The crossed-out channel is dead: it gives
# every image the same value.

cs.neuron_image(net, target="blocks.5.3.bn1", limit=6, steps=96)

# %%
# The image that excites a channel most on the left, and the one that excites it least on the right.
# On the page on :doc:`activation maps <plot_activations>`, the first of these channels responds to
# the eyes of a cat.

cs.neuron_image(
    net, target=("blocks.4.2.bn2.pre:114", "blocks.2.1.bn1.pre:3"), extreme="both", steps=96
)

# %%
# Several images of one channel, pushed apart in the features of its layer. What they still have in
# common is what excites the channel.

cs.neuron_image(net, target="blocks.4.2.bn2.pre:114", count=4, steps=96)
