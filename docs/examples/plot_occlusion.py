"""
Occlusion
=========

How much the score falls when a part of the photograph is hidden.

**How to read it.** A square slides over the network's input and blurs what is below it, and the
score is read at every position. A pixel is red where the score was lower while the pixel was
hidden, so the pixel supports the target. It is blue where the score was higher. The color bar gives
the change, averaged over all squares that hid the pixel. No gradient is involved: these are the
network's own scores of changed photographs. The score of a class is its logit;
``score="probability"`` maps its probability.

**Its limits.** The square itself is something to see, and another baseline gives another map, as
the last two pictures show. The side of the square sets the scale: smaller details are smeared over
a whole square, and larger objects are never hidden at once. If either of two objects is enough for
the network, hiding one of them changes little, and both look unimportant. Each position costs one
run of the network: 169 runs here.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
cs.occlusion(net, astronaut, target="football helmet")

# %%
# ImageNet has no astronaut, and the network predicts a football helmet. The map says that the
# helmet is the reason. Hiding the collar raises the score.
#
# The model of a space shuttle behind her has a class of its own. For this class the helmet is blue:
# the score rises while the helmet is hidden. The shuttle is red, and so is her face, so a red part
# need not be a part of the object. The squares move in steps of 28 pixels here, so 49 runs are
# enough and the map is coarser.

shuttle = cs.occlusion(net, astronaut, target="space shuttle", stride=28)
summary = shuttle.result().summary
print(f"score {summary['score']:.2f}; while a place is hidden, on average")
print(f"{-summary['highest']:+.2f} to {-summary['lowest']:+.2f}")
shuttle

# %%
# Two baselines: a blurred copy, which is the default, and black. Blurring the saucer or the spoon
# changes little. A black square there raises the score.

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [
    cs.occlusion(net, coffee, target="espresso", stride=28, baseline=baseline).result()
    for baseline in ("blur", "black")
]
print(f"correlation {np.corrcoef([one.heatmap.ravel() for one in two])[0, 1]:.2f}")
two
