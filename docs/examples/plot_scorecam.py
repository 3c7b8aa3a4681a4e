"""
Score-CAM
=========

Which of a layer's maps, each laid over the photograph as a mask, keep a score up.

**How to read it.** Each channel's map, enlarged, hides the photograph where it is dark. How much
more the network says for the target then than for a blank image becomes, by a softmax over the
channels, the weight of the channel, and the weighted sum is the map. No gradient is used. The
numbers are in units of the layer, not of the score.

**Its limits.** The softmax lets few channels win, and the map is theirs. What lowers the score only
fades; nothing speaks against the target. Masks are stretched to full contrast, so that a faint,
nearly even map hides as much as a strong one. The network runs once a channel, 1,280 times here,
for a map that may be nearly that of :doc:`Grad-CAM <plot_gradcam>`, which takes one run. It is as
coarse as the layer.

**Paper.** Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020, `Score-CAM: Score-Weighted
Visual Explanations for Convolutional Neural Networks <https://arxiv.org/abs/1910.01279>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
run = cs.scorecam(net, coffee, target="espresso")
run

# %%
# How alike this map and that of Grad-CAM are:

import numpy as np

maps = [one.result().heatmap.ravel() for one in (run, cs.gradcam(net, coffee, target="espresso"))]
print(f"correlation {np.corrcoef(*maps)[0, 1]:.2f}")
