"""
SmoothGrad
==========

The saliency map averaged over noisy copies of the photograph, which makes it less noisy.

**How to read it.** Read it like a :doc:`saliency map <plot_saliency>`: it is the largest absolute
value over the colors of the mean gradient. The raw map is on the left. On the right it lies over
the photograph, smoothed over 4 pixels. What remains in the mean is what the network is sensitive to
in most of the copies.

**Its limits.** It is a map of noisy photographs, not of this one. Noise with a standard deviation
of 0.15 (pixels run from 0 to 1) is clearly visible, and the network is less sure under it, so it
may respond to other parts. More copies make the map less noisy, not more faithful. The values are
much smaller than those of the saliency map, because gradients of different copies cancel; do not
compare them.

**Paper.** Smilkov, Thorat, Kim, Viegas and Wattenberg 2017, `SmoothGrad: removing noise by adding
noise <https://arxiv.org/abs/1706.03825>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
smooth = cs.smoothgrad(net, coffee, target="espresso", samples=64)
plain = cs.saliency(net, coffee, target="espresso")
[smooth, plain]

# %%
# The upper picture is the mean over 64 copies, the lower one the plain saliency map. The far edge
# of the coffee stands out, and so do the handle and the spoon, which the plain map hardly shows:
# under noise the network is sensitive to other parts. The correlation of both maps after some
# smoothing, and the probability of an espresso on the photograph and on noisy copies:

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

maps = [gaussian_filter(run.result().heatmap, 4).ravel() for run in (smooth, plain)]
print(f"correlation {np.corrcoef(maps[0], maps[1])[0, 1]:.2f}")

seen = net.preprocess(coffee)
noise = torch.randn(16, *seen.shape[1:], generator=torch.Generator().manual_seed(0))
espresso = net.target("espresso").channel
for images in (seen, seen + 0.15 * noise):
    print(f"probability {net.logits(images).softmax(1)[:, espresso].mean():.2f}")

# %%
# Without noise (``noise=0``) the result is the saliency map itself. ``samples=128`` gives a finer
# map.
