"""
Segmentation
============

The object cut out of the photograph by a network that never learned outlines.

**How to read it.** Two maps say where the object is: SmoothGrad where its parts are, and Grad-CAM
where the whole is. Each is smoothed and divided by its highest value. Where their mean is above 0.7
counts as object, and where it is below 0.2 as background, but never more than half of the
photograph. From the colors of these, GrabCut decides about all other pixels, also outside the
network's input. ``arrays["mask"]`` is the mask and ``arrays["cutout"]`` the photograph with
transparency; ``show="cutout"`` saves only the latter.

**Its limits.** The network says where to look, and the colors say where the object ends. This works
if the colors of the object differ from those around it, and it includes neighbors with the same
colors. Parts with colors that also occur in the background are lost. On 21 photographs with
outlines drawn by hand, the mask and the outline overlap by 0.63 on average (intersection over
union); the worst are animals that fill the photograph, of which it finds only the face. The outline
is that of the photograph at 256 pixels. It does not replace a trained segmentation network.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks: Visualizing
Image Classification Models and Saliency Maps <https://arxiv.org/abs/1312.6034>`__. GrabCut: Rother,
Kolmogorov and Blake 2004.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.segment(net, cat)

# %%
# Most of the cat is found, also where the network did not look. The network did not see the ear on
# the right, and the fur in the shadow has the colors of the background.

coffee = cs.open_image("sample:coffee")
cs.segment(net, coffee, target="espresso")

# %%
# The white part of the cup is found, and the coffee in it. The outside of the cup is as red as the
# saucer and is lost.
#
# A thin object. The map is wider than the rocket, so a patch of the sky stays around its tip:

rocket = cs.open_image("sample:rocket")
missile = cs.segment(net, rocket, target="missile")
print(f"{missile.result().summary['fraction_of_image']:.1%} of the photograph")
missile

# %%
# SqueezeNet looks at a few small places. With the usual bound only the cat's eyes are surely part
# of it, and only they are cut out. A lower bound finds more of the face:

cs.segment(cs.load("squeezenet1_1"), cat, foreground=0.5)
