"""
Neuron image
============

What a channel or a neuron inside the network most wants to see, climbed from noise.

**How to read it.** Each image is what raises the mean of one channel's map as far as the climb got;
the number is that mean, before the activation. Early channels want strokes, colors and weaves,
middle ones textures and shapes, deep ones parts of things. The image says what the channel answers
to, in the network's own words; photographs that make it answer (see :doc:`intermediate features
<plot_intermediate>`) tell whether that is also what it is used for.

**Its limits.** Many channels have no name: they answer to several unlike things, of which the image
shows one, or a mixture. The negative extreme of a channel is as much a part of what it computes as
the positive one, though what comes behind a ReLU never sees it. Activations far above those of any
photograph are reached with ease: a strong answer does not mean that photographs hold such a thing.

**Paper.** Erhan, Bengio, Courville and Vincent 2009, `Visualizing Higher-Layer Features of a Deep
Network <https://www.researchgate.net/publication/265022827>`__, for the idea; Olah, Mordvintsev and
Schubert 2017, `Feature Visualization <https://distill.pub/2017/feature-visualization/>`__, for how
it is done here.
"""

import convscope as cs

net = cs.load()
cs.neuron_image(net, target="blocks.3.2.bn1", limit=12, steps=96)

# %%
# One layer's first twelve channels: scales, cells, weaves, grooves. The same a good deal earlier:

cs.neuron_image(net, target="blocks.1.1.bn1", limit=6, steps=64)

# %%
# And deeper, where parts of animals begin to show. The one that is crossed out is dead: it gives
# every image the same.

cs.neuron_image(net, target="blocks.5.3.bn1", limit=6, steps=96)

# %%
# What excites a channel, left, and what silences it, right. On the page on :doc:`activation maps
# <plot_activations>` the first one answers to a cat's eyes.

cs.neuron_image(
    net, target=("blocks.4.2.bn2.pre:114", "blocks.2.1.bn1.pre:3"), extreme="both", steps=96
)

# %%
# Several images of one channel, pushed apart in what its layer sees of them: whatever they still
# have in common is what the channel wants.

cs.neuron_image(net, target="blocks.4.2.bn2.pre:114", count=4, steps=96)
