"""
Segmentation
============

The object cut out of the photograph by a network that never learned outlines.

**How to read it.** The ranks of two maps, SmoothGrad and Grad-CAM, are averaged. The top 5 percent
of the pixels count as object and the lowest 30 percent as background. From the colors of these,
GrabCut decides about all other pixels, also outside the network's input. ``arrays["mask"]`` is the
mask and ``arrays["cutout"]`` the photograph with transparency; ``show="cutout"`` saves only the
latter.

**Its limits.** The network says where to look, and the colors say where the object ends. This works
if the colors of the object differ from those around it, and it includes neighbors with the same
colors. Half of the network's input starts as likely object, so a thin object keeps the background
around it, as the second picture shows. Parts with colors that also occur in the background are
lost. It does not replace a trained segmentation network.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks: Visualizing
Image Classification Models and Saliency Maps <https://arxiv.org/abs/1312.6034>`__. GrabCut: Rother,
Kolmogorov and Blake 2004.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
cs.segment(net, coffee, target="espresso")

# %%
# The white part of the cup is found, and the coffee in it. The outside of the cup is as red as the
# saucer and is lost. The spoon is as bright as the cup and is included.
#
# Here it fails. The sky has nearly a single color, so GrabCut has nothing to go by and keeps the
# half that it started with:

rocket = cs.open_image("sample:rocket")
missile = cs.segment(net, rocket, target="missile")
print(f"{missile.result().summary['fraction_of_image']:.0%} of the photograph")
missile
