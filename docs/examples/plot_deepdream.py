"""
DeepDream
=========

The photograph, changed until a layer sees more of what it already sees in it.

**How to read it.** Where a channel answers a little to something in the photograph, that place is
changed so that it answers more. Early layers draw strokes and textures, deeper ones eyes, muzzles
and fur. Compare it with the photograph: what is exaggerated is what the layer found there.

**Its limits.** It shows what the layer can find, not what decided the class. What grows depends
strongly on the training data: ImageNet has more than a hundred breeds of dogs, and it shows. The
number of steps and of sizes (octaves) are a matter of taste, and there is no right answer.

**Paper.** Mordvintsev, Olah and Tyka 2015, `Inceptionism: Going Deeper into Neural Networks
<https://research.google/blog/inceptionism-going-deeper-into-neural-networks/>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.deepdream(net, cat)

# %%
# Where there is no animal to begin with, it finds some:

coffee = cs.open_image("sample:coffee")
cs.deepdream(net, coffee)

# %%
# An earlier layer sees smaller and simpler things: cells and strokes instead of eyes and muzzles.

cs.deepdream(net, cat, layer="blocks.2.1.bn2.pre", steps=8)

# %%
# One channel alone. On the page on :doc:`activation maps <plot_activations>` this one answers to
# the cat's eyes; here it turns whatever is round into rings.

cs.deepdream(net, coffee, layer="blocks.4.2.bn2.pre:114")

# %%
# Several layers at once. The energy of each counts relative to what it was for the photograph, so
# that the weights compare whatever the layers' magnitudes: here the deep layer's animals count
# twice, and are made of the segments of an earlier one.

cs.deepdream(net, cat, layer=("blocks.3.2.bn1.pre", "blocks.5.0.bn1.pre*2"))

# %%
# A guided dream: another photograph says what to dream of. Every place of the layer is driven
# towards that place of the guide which it resembles most. Guided by the cat, the cup becomes an
# eye, and the table fur. Left the guide, right the dream:

from PIL import Image

guide = Image.fromarray((255 * cat[0].permute(1, 2, 0)).round().byte().numpy())
guided = cs.deepdream(net, coffee, guide="sample:chelsea").result().picture
[picture.resize((390, 260)) for picture in (guide, guided)]

# %%
# And an endless zoom: dream, enlarge by 5 %, dream on. Every tenth of 31 pictures, from what the
# network sees of the photograph; :code:`.save("zoom.mp4")` writes them all as a film (for which
# ``pip install 'convscope[video]'``), or on the command line
# ``convscope deepdream cup.jpg --frames 250 -o zoom.mp4``.

zoom = list(cs.deepdream(net, net.preprocess(coffee), frames=31))
zoom[::10]
