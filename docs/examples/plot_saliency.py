"""
Saliency map
============

The pixels where a small change changes the score most.

**How to read it.** The map is the gradient of the score with respect to each pixel: the largest
absolute value over the three colors. Its unit is score per pixel value (0 to 1): 0.3 means that a
small change of the pixel changes the score 0.3 times as much. The raw map is on the left. On the
right it lies over the photograph, smoothed over 4 pixels. The colors saturate at the brightest half
percent of the pixels, which the pointed end of the color bar marks.

**Its limits.** A gradient says what a small change would do, not what the network used. A part that
already convinces the network completely may have no gradient at all. The map is noisy, because the
gradient of a deep network changes sharply from one pixel to the next, and it has a fine
checkerboard where layers of stride 2 pass the gradient back unevenly. The absolute value loses the
sign. ``colors="signed"`` keeps it, with little gain, as the last picture shows.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks: Visualizing
Image Classification Models and Saliency Maps <https://arxiv.org/abs/1312.6034>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
tiger_cat = cs.saliency(net, cat, target="tiger cat")
tiger_cat

# %%
# Classes are not the only targets. This is channel 114 of a deep layer, which responds to eyes. Its
# score is its strongest activation, here at the left eye. ``.pre`` names the input of the
# activation function: ReLU6 has no gradient where it clips a value, and it clips the strongest
# units.

cs.saliency(net, cat, target="blocks.4.2.bn2.pre:114")

# %%
# Maps of different classes on one photograph are more alike than the classes are. After some
# smoothing, the maps of a tiger cat and of a window screen still correlate: a good part of a map
# shows where the network is sensitive at all, whatever the target is.

import numpy as np
from scipy.ndimage import gaussian_filter

screen = cs.saliency(net, cat, target="window screen")
maps = [gaussian_filter(run.result().heatmap, 4).ravel() for run in (tiger_cat, screen)]
print(f"correlation {np.corrcoef(maps[0], maps[1])[0, 1]:.2f}")

# %%
# The paper uses the largest absolute value of a pixel's colors. ``colors="absolute"`` adds the
# absolute values of all three. ``"signed"`` adds the signed values: red where a brighter pixel
# raises the score, blue where a darker one does. The sign changes from one pixel to the next, so
# smoothing cancels most of it:

signed = cs.saliency(net, cat, target="tiger cat", colors="signed")
blurred = gaussian_filter(signed.result().heatmap, 4)
left = np.abs(blurred).mean() / np.abs(signed.result().heatmap).mean()
print(f"{left:.0%} of the values are left")
signed
