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

cs.deepdream(net, cat, layer="blocks.2.1.bn2.pre")

# %%
# One channel alone. On the page on :doc:`activation maps <plot_activations>` this one answers to
# the cat's eyes; here it turns whatever is round into rings.

cs.deepdream(net, coffee, layer="blocks.4.2.bn2.pre:114", steps=15)
