"""
Segmentation
============

The object cut out, though the network never learned what an outline is.

**How to read it.** The ranks of two maps, SmoothGrad's and Grad-CAM's, are averaged. The top
twentieth is taken for object, the lowest 30 per cent for background; from the colors there GrabCut
decides about the rest, also outside of what the network saw. ``arrays["mask"]`` is the mask,
``arrays["cutout"]`` the photograph with transparency; ``show="cutout"`` saves that alone.

**Its limits.** The network says where to look, the colors say where to stop. It works where the
object's colors differ from those around it, and joins to it whatever has its colors nearby. Half
of what the network saw is taken for likely object to begin with: a thin thing keeps the background
around it, as the second picture shows. Parts are lost whose colors are found elsewhere. It is no
trained segmentation network and does not replace one.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks: Visualizing
Image Classification Models and Saliency Maps <https://arxiv.org/abs/1312.6034>`__. GrabCut: Rother,
Kolmogorov and Blake 2004.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
cs.segment(net, coffee, target="espresso")

# %%
# The cup as far as it is white, and what is in it. Its outside is as red as the saucer and is lost;
# the spoon is as bright as the cup and comes along.
#
# It failed here. The sky is nearly of one color, so that GrabCut has nothing to go by and stays
# with the half that it was given:

rocket = cs.open_image("sample:rocket")
missile = cs.segment(net, rocket, target="missile")
print(f"{missile.result().summary['part of the photo']:.0%} of the photograph")
missile
