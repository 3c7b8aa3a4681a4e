"""
Occlusion
=========

How much a score falls when a part of the photograph is hidden.

**How to read it.** A square slides over what the network sees and blurs what is below it; the score
is read at every position. A place is red where the score was lower while the place was hidden, by
the number on the color bar, on average over all squares that hid it: it speaks for the target. It
is blue where the score was higher. Nothing is derived: these are the network's own answers to
changed photographs. The score of a class is its logit; ``score="probability"`` maps its softmax.

**Its limits.** The square is something to see itself, and another filling gives another map, as the
last two pictures show. Its side sets the scale: what is much smaller is smeared over the whole
square, what is larger is never hidden at once. Where either of two things is enough for the
network, hiding one of them changes little, and both look unimportant. Every position is a run of
the network: 169 here.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
cs.occlusion(net, astronaut, target="football helmet")

# %%
# ImageNet has no astronaut, and the class that the network finds most probable is a football
# helmet. The helmet is why. Hiding the collar raises the score.
#
# The model of a space shuttle behind her has a class. For that one the helmet is blue: the score
# rises while it is hidden. The shuttle is red, and so is her face: what is red need not be a part
# of the thing. Squares go in steps of 28 pixels here, so that 49 of them are enough and the map is
# coarser.

shuttle = cs.occlusion(net, astronaut, target="space shuttle", stride=28)
summary = shuttle.result().summary
print(f"score {summary['score']:.2f}; while a place is hidden, on average")
print(f"{-summary['highest']:+.2f} to {-summary['lowest']:+.2f}")
shuttle

# %%
# Two fillings: blurred, as by default, and black. Blurring the saucer or the spoon changes little;
# a black square there raises the score.

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [
    cs.occlusion(net, coffee, target="espresso", stride=28, fill=fill).result()
    for fill in ("blur", "black")
]
print(f"correlation {np.corrcoef(*(one.heatmap.ravel() for one in two))[0, 1]:.2f}")
two
