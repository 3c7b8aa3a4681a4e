"""
DeepDream
=========

A photograph, changed until a layer responds more strongly to what it found there.

**How to read it.** Where a channel responds a little to something in the photograph, that place is
changed so that the channel responds more. Early layers draw strokes and textures, deeper layers
eyes, muzzles and fur. Compare the result with the photograph: the layer found what is exaggerated.

**Its limits.** The picture shows what the layer can find, not what decided the class. What appears
depends strongly on the training data: more than a hundred classes of ImageNet are breeds of dogs.
There is no correct strength, and no correct number of steps or of image sizes (octaves); they are a
matter of taste.

**Paper.** Mordvintsev, Olah and Tyka 2015, `Inceptionism: Going Deeper into Neural Networks
<https://research.google/blog/inceptionism-going-deeper-into-neural-networks/>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.deepdream(net, cat)

# %%
# In a photograph without animals, the network finds some:

coffee = cs.open_image("sample:coffee")
cs.deepdream(net, coffee)

# %%
# Twice as strong, which leaves less of the photograph and drives more pixels to black and white:

cs.deepdream(net, coffee, strength=2)

# %%
# An earlier layer sees smaller and simpler things: cells and strokes instead of eyes and muzzles.

cs.deepdream(net, cat, layer="blocks.2.1.bn2.pre", steps=8)

# %%
# A single channel. On the page on :doc:`activation maps <plot_activations>` this channel responds
# to the cat's eyes; here it turns round shapes into rings.

cs.deepdream(net, coffee, layer="blocks.4.2.bn2.pre:114")

# %%
# Several layers at once. The energy of each layer is divided by its energy for the original
# photograph, so that weights mean the same for layers of any magnitude. Here a deep layer counts
# twice, and its animals consist of the segments of an earlier layer.

cs.deepdream(net, cat, layer=("blocks.3.2.bn1.pre", "blocks.5.0.bn1.pre*2"))

# %%
# A guided dream imitates the features of another photograph. Each position of the layer is driven
# towards the position of the guide that it resembles most. With the cat as the guide, the cup
# becomes an eye and the table becomes fur. The guide is on the left, the dream on the right:

from PIL import Image

guide = Image.fromarray((255 * cat[0].permute(1, 2, 0)).round().byte().numpy())
guided = cs.deepdream(net, coffee, guide="sample:chelsea").result().picture
[picture.resize((390, 260)) for picture in (guide, guided)]

# %%
# An endless zoom alternates between dreaming and enlarging by 5 %. It starts here from the part of
# the photograph that the network sees. Every tenth of 31 pictures is shown;
# :code:`.save("zoom.mp4")` writes all of them as a film (after
# ``pip install 'convscope[video]'``). The command line does the same with
# ``convscope deepdream cup.jpg --frames 250 -o zoom.mp4``.

zoom = list(cs.deepdream(net, net.preprocess(coffee), frames=31))
zoom[::10]
