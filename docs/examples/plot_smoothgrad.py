"""
SmoothGrad
==========

The saliency map averaged over noisy copies of the photograph, so that it flickers less.

**How to read it.** As a :doc:`saliency map <plot_saliency>`: the largest absolute value over the
colors of the mean gradient. Left is the map as it is, right the same on the photograph, smoothed
over 4 pixels. What stays in the mean is what the network is sensitive to in most of the copies.

**Its limits.** It is the map of noisy photographs, not of this one. Noise of 0.15 (of the way from
black to white) is plain to see, and the network is less sure under it; what it then looks at may
be something else. More copies make the map less grainy, not more faithful. Values are far smaller
than those of the saliency map, because gradients of different copies cancel: do not compare them.

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
# Above the mean over 64 copies, below the plain saliency map. The far edge of the coffee comes out,
# and so do the handle and the spoon, which the plain map hardly has: under noise the network is
# sensitive to other parts. How alike both maps are, blurred a little, and how probable the network
# finds an espresso on the photograph and on noisy copies:

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

maps = [gaussian_filter(run.result().heatmap, 4).ravel() for run in (smooth, plain)]
print(f"correlation {np.corrcoef(*maps)[0, 1]:.2f}")

seen = net.preprocess(coffee)
noise = torch.randn(16, *seen.shape[1:], generator=torch.Generator().manual_seed(0))
espresso = net.target("espresso").channel
for images in (seen, seen + 0.15 * noise):
    print(f"probability {net.logits(images).softmax(1)[:, espresso].mean():.2f}")

# %%
# Without noise (``noise=0``) it is the saliency map itself; ``samples=128`` is finer still.
