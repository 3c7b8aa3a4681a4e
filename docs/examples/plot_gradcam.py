"""
Grad-CAM
========

Where a layer finds evidence for a target in the photograph.

**How to read it.** Each channel of the layer is weighted by the gradient of the score with respect
to it, averaged over positions, and the map is the weighted sum of the channels. Bright positions
support the target. Evidence against it is cut off; ``signed=True`` keeps it. The layer is the last
one with feature maps unless you name another.

**Its limits.** The map is as coarse as the layer, 7 x 7 positions here, and its outlines are
interpolated: ``upsampling="nearest"`` shows the actual positions. A position stands for the part of
the photograph at its center, but its receptive field is much larger, and the evidence may lie
beside it, as with the rocket below. The map shows where the evidence is, never what it is. In
earlier layers a single weight per channel means little, and the map scatters; use :doc:`LayerCAM
<plot_layercam>` there. Two classes of the same object share a map, so the map does not show what
distinguishes them.

**Paper.** Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, `Grad-CAM: Visual Explanations
from Deep Networks via Gradient-based Localization <https://arxiv.org/abs/1610.02391>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
[cs.gradcam(net, astronaut, target=name) for name in ("football helmet", "space shuttle")]

# %%
# Each target has its own place, even the space shuttle, which the network finds improbable:

ranked = [one.label for one in net.predict(astronaut, top=1000)]
print(f"number {ranked.index('space shuttle') + 1} of {len(ranked)}")

# %%
# A thin object in the layer's own positions. The strongest ones lie left and right of the rocket,
# on the sky. Their receptive fields cover the whole photograph, so they do see the rocket, but the
# map is not an outline of it.

rocket = cs.open_image("sample:rocket")
cs.gradcam(net, rocket, target="missile", upsampling="nearest")

# %%
# Several layers give a strip of maps. In the earlier layers the map of the helmet scatters over the
# photograph, including her face.

layers = ("blocks.2.1.bn2", "blocks.3.2.bn2", "blocks.4.2.bn2", "bn2")
cs.gradcam(net, astronaut, target="football helmet", layer=layers)

# %%
# Each image of a batch may have its own target:

import torch

pair = torch.cat([net.preprocess(astronaut), net.preprocess(rocket)])
result = cs.gradcam(net, pair, target=("space shuttle", "missile")).result()
print(result.heatmap.shape, result.summary["score"])
