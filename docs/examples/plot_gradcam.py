"""
Grad-CAM
========

Where in the photograph a layer finds what speaks for a target.

**How to read it.** Each channel of the layer is weighted by how much the score grows with it, on
average over places, and the sum of the channels is the map. Bright places speak for the target.
What speaks against it is cut off; ``signed=True`` keeps it. The layer is the last one that has
places, if none is named.

**Its limits.** The map is as coarse as the layer, 7 x 7 places here, and its outlines are
interpolated: ``upsampling="nearest"`` shows what is there. A place stands for the part of the
photograph in its middle, but its units see far beyond, and the evidence may lie beside it, as with
the rocket below. It tells where, never what in that place counts. In earlier layers one weight a
channel, the same in all places, means little and the map scatters; :doc:`LayerCAM <plot_layercam>`
is for those. Two classes of the same thing share a map: of what tells them apart it does not speak.

**Paper.** Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, `Grad-CAM: Visual Explanations
from Deep Networks via Gradient-based Localization <https://arxiv.org/abs/1610.02391>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
[cs.gradcam(net, astronaut, target=name) for name in ("football helmet", "space shuttle")]

# %%
# Each target has its own place, also the space shuttle, which the network finds improbable:

ranked = [one.label for one in net.predict(astronaut, top=net.num_classes)]
print(f"number {ranked.index('space shuttle') + 1} of {net.num_classes}")

# %%
# A thin thing, in the layer's own places. The strongest lie left and right of the rocket, on the
# sky. They see it, for each sees the whole photograph; but whoever takes the map for an outline is
# misled.

rocket = cs.open_image("sample:rocket")
cs.gradcam(net, rocket, target="missile", upsampling="nearest")

# %%
# Several layers give a strip. In the earlier ones the map of the helmet scatters over the
# photograph, her face included.

layers = ("blocks.2.1.bn2", "blocks.3.2.bn2", "blocks.4.2.bn2", "bn2")
cs.gradcam(net, astronaut, target="football helmet", layer=layers)

# %%
# A batch may have a target for each of its images:

import torch

pair = torch.cat([net.preprocess(astronaut), net.preprocess(rocket)])
result = cs.gradcam(net, pair, target=("space shuttle", "missile")).result()
print(result.heatmap.shape, result.summary["score"])
