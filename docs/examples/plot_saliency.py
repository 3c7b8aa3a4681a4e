"""
Saliency map
============

Which pixels, changed a little, change a score most.

**How to read it.** The score is differentiated by every pixel; the map is the largest absolute
value over the three colors. Its unit is that of the score: 0.3 means that a small change of that
pixel moves the score 0.3 times as far. Left is the map as it is, right the same on the photograph,
smoothed over 4 pixels. Colors saturate at the brightest half per cent of the pixels, which the
pointed end of the color bar shows.

**Its limits.** A gradient tells what a small change would do, not what the network used: a part
that fully convinces the network already may get no gradient at all. The map is grainy, because the
gradient of a deep network changes sharply from one pixel to the next, and shows a fine checkerboard
where layers of stride 2 pass it back unevenly. Signs are lost in the absolute value, and
``colors="signed"`` keeps them for little gain, as the last picture shows.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks: Visualizing
Image Classification Models and Saliency Maps <https://arxiv.org/abs/1312.6034>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
tiger_cat = cs.saliency(net, cat, target="tiger cat")
tiger_cat

# %%
# Not only classes have scores. This is channel 114 of a deep layer, one that answers to the eyes;
# its score is its strongest activation, here at the left eye. ``.pre`` names what goes into the
# activation: ReLU6 passes no gradient where it has cut a value, and the strongest units are just
# the ones that it cuts.

cs.saliency(net, cat, target="blocks.4.2.bn2.pre:114")

# %%
# Maps of different classes on one photograph resemble each other more than their names do. Blurred
# a little, those of a tiger cat and of a window screen still have much in common: a good part of a
# map shows where the network is sensitive at all, whatever it is asked about.

import numpy as np
from scipy.ndimage import gaussian_filter

screen = cs.saliency(net, cat, target="window screen")
maps = [gaussian_filter(run.result().heatmap, 4).ravel() for run in (tiger_cat, screen)]
print(f"correlation {np.corrcoef(*maps)[0, 1]:.2f}")

# %%
# The largest absolute value of a pixel's colors is what the paper takes. ``colors="absolute"``
# adds the absolute values of all three, ``"signed"`` adds them as they are: red where a lighter
# pixel raises the score, blue where a darker one does. The sign changes from one pixel to the next,
# so that smoothing takes most of it away:

signed = cs.saliency(net, cat, target="tiger cat", colors="signed")
blurred = gaussian_filter(signed.result().heatmap, 4)
left = np.abs(blurred).mean() / np.abs(signed.result().heatmap).mean()
print(f"{left:.0%} of the values are left")
signed
