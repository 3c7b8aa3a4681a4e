"""
Score-CAM
=========

Which feature maps of a layer, used as masks on the photograph, keep the score high.

**How to read it.** Each channel's map is enlarged and hides the photograph where it is dark. The
increase of the score over that of the baseline image becomes, by a softmax over the channels, the
weight of the channel, and the map is the weighted sum. No gradient is used. The values are in units
of the layer, not of the score.

**Its limits.** The softmax lets a few channels win, and the map is mostly theirs. Evidence against
the target only fades; it never becomes negative. Masks are stretched to full contrast, so a faint,
nearly flat map hides as much as a strong one. The network runs once per channel, 1,280 times here,
for a map that may be nearly that of :doc:`Grad-CAM <plot_gradcam>`, which takes one run. The map is
as coarse as the layer.

**Paper.** Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020, `Score-CAM: Score-Weighted
Visual Explanations for Convolutional Neural Networks <https://arxiv.org/abs/1910.01279>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
run = cs.scorecam(net, coffee, target="espresso")
run

# %%
# The correlation of this map with that of Grad-CAM:

import numpy as np

maps = [one.result().heatmap.ravel() for one in (run, cs.gradcam(net, coffee, target="espresso"))]
print(f"correlation {np.corrcoef(maps)[0, 1]:.2f}")
