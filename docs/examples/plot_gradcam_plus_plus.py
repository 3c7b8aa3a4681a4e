"""
Grad-CAM++
==========

Grad-CAM with a weight for every place, so that the second of two things of a kind is not forgotten.

**How to read it.** As :doc:`Grad-CAM <plot_gradcam>`: bright places speak for the target. The
weights come from the second and third derivative of the exponential of the score, and only
gradients that speak for the target count. The numbers are not in units of the score.

**Its limits.** Channels that speak against the target are left out altogether, so that a place with
some evidence for it is bright, even where there is more against it: the last two pictures. That
makes maps of different targets more alike than those of Grad-CAM. In a network that ends in a mean
over places and one matrix, such as the default one, gradients in the last layer are the same in
all places: there nothing averages out, and Grad-CAM forgets no second thing. Otherwise its limits
are those of Grad-CAM: it is coarse, and tells where, not what.

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
# Two cups, one the mirror image of the other: above Grad-CAM++, below Grad-CAM. Both find both.
#
# A target with something against it. The helmet speaks against a space shuttle (:doc:`occlusion
# <plot_occlusion>` shows it in blue); in Grad-CAM++, above, it lights up all the same.

astronaut = cs.open_image("sample:astronaut")
[run(net, astronaut, target="space shuttle") for run in (cs.gradcam_plus_plus, cs.gradcam)]

# %%
# How alike the maps of a space shuttle and a football helmet are:

import numpy as np

for run in (cs.gradcam_plus_plus, cs.gradcam):
    names = ("space shuttle", "football helmet")
    maps = [run(net, astronaut, target=name).result().heatmap.ravel() for name in names]
    print(f"{run.__name__}: correlation {np.corrcoef(*maps)[0, 1]:.2f}")
