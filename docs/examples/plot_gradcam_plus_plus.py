"""
Grad-CAM++
==========

Grad-CAM with a weight for every position, so that a second object of the same kind is not lost.

**How to read it.** Read it like :doc:`Grad-CAM <plot_gradcam>`: bright positions support the
target. The weights come from the second and third derivative of the exponential of the score, and
only positive gradients count. The values are not in units of the score.

**Its limits.** Channels that oppose the target are ignored, so a position with some evidence for
the target is bright even if there is more evidence against it, as the last two pictures show. Maps
of different targets are therefore more alike than those of Grad-CAM. In a network that ends in a
mean over positions and one matrix, such as the default one, the gradient in the last layer is the
same at all positions. Then nothing averages out, and Grad-CAM loses no second object either. The
other limits are those of Grad-CAM: the map is coarse, and it shows where, not what.

**Paper.** Chattopadhay, Sarkar, Howlader and Balasubramanian 2018, `Grad-CAM++: Improved Visual
Explanations for Deep Convolutional Networks <https://arxiv.org/abs/1710.11063>`__.
"""

import torch

import convscope as cs

net = cs.load()
cup = torch.nn.functional.interpolate(net.preprocess(cs.open_image("sample:coffee")), (112, 112))
photo = torch.full((1, 3, 224, 224), 0.5)
photo[..., 56:168, :] = torch.cat([cup, cup.flip(3)], 3)
[run(net, photo, target="espresso") for run in (cs.gradcam_plus_plus, cs.gradcam)]

# %%
# Two cups, one the mirror image of the other: Grad-CAM++ in the upper picture, Grad-CAM in the
# lower one. Both find both cups.
#
# A target with evidence against it: the helmet opposes the class space shuttle (:doc:`occlusion
# <plot_occlusion>` shows it in blue). In Grad-CAM++, the upper picture, it is bright all the same.

astronaut = cs.open_image("sample:astronaut")
[run(net, astronaut, target="space shuttle") for run in (cs.gradcam_plus_plus, cs.gradcam)]

# %%
# The correlation of the maps of a space shuttle and of a football helmet:

import numpy as np

for run in (cs.gradcam_plus_plus, cs.gradcam):
    names = ("space shuttle", "football helmet")
    maps = [run(net, astronaut, target=name).result().heatmap.ravel() for name in names]
    print(f"{run.__name__}: correlation {np.corrcoef(maps)[0, 1]:.2f}")
