"""
Style transfer
==============

A photograph, drawn again with the strokes and colors of another picture.

**How to read it.** Two things are asked of the new picture. A deeper layer of the network should
see at each place what it sees in the photograph: that is the content. And features should occur
together as often as in the other picture, wherever they are: that is the style. Both are distances
of activations, and the picture is climbed until neither can fall without the other rising.

**Its limits.** The statistics know no objects. Strokes and colors go where the network finds
something similar, so a face may get the colors of a coat. More content keeps more of the
photograph; how much is a matter of taste. The picture says what the network takes for style: a
network with other features draws other strokes.

**Paper.** Gatys, Ecker and Bethge 2016, `Image Style Transfer Using Convolutional Neural Networks
<https://openaccess.thecvf.com/content_cvpr_2016/papers/Gatys_Image_Style_Transfer_CVPR_2016_paper.pdf>`__.
The paper has VGG-19, which ``cs.load("torchvision/vgg19")`` downloads; its layers are then the
paper's. SqueezeNet comes along and costs a tenth.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import convscope as cs

net = cs.load("squeezenet1_1")
astronaut, coffee = cs.open_image("sample:astronaut"), cs.open_image("sample:coffee")
paintings = [
    f"../paintings/{name}.jpg"
    for name in ("starry_night", "shipwreck", "scream", "woman_with_a_hat")
]
rows = []
for photo in (astronaut, coffee):
    slow = [cs.style(net, photo, style=one, size=256).result() for one in paintings]
    fast = [cs.stylize(photo, style=Path(one).stem, size=256).result() for one in paintings]
    rows += [
        np.concatenate([np.asarray(one.picture) for one in results], axis=1)
        for results in (slow, fast)
    ]
Image.fromarray(np.concatenate(rows))

# %%
# Two photographs as The Starry Night (van Gogh), The Shipwreck (Turner), The Scream (Munch) and
# Woman with a Hat (Matisse) would have them. The first and the third row are made by ``style``: 90
# evaluations of the loss at each of two sizes. Below each is what one pass of a network makes that
# has learned the paintings (:doc:`stylize <plot_stylize>`). Large areas have the colors and strokes
# of the painting, and strokes follow the outlines. Faces become coarse in pictures as small as
# these. The paintings:

Image.fromarray(
    np.concatenate([np.asarray(Image.open(one).resize((256, 256))) for one in paintings], axis=1)
)

# %%
# More of the photograph is kept, and the two parts of the loss are drawn beside the picture. Each
# size begins with the enlarged picture of the one before, so the loss jumps there.

cs.style(net, astronaut, style=paintings[2], content=4, size=256, curves=True)

# %%
# The brush alone: the colors stay those of the photograph.

cs.style(net, coffee, style=paintings[0], colors="photo", size=256)

# %%
# A mask says where the style goes: here only to the right half, with a soft edge.

half = torch.zeros(1, 1, *coffee.shape[-2:])
half[..., coffee.shape[-1] // 2 :] = 1
cs.style(net, coffee, style=paintings[2], mask=half, feather=0.05, size=256)

# %%
# Large pictures are drawn in patches that overlap. ``size`` is the longer side in pixels; the first
# sizes make the large strokes and the last ones the detail:
#
# .. code-block:: bash
#
#    convscope style photo.jpg --style painting.jpg --size 2000
#
# Two paintings blend by weights: ``--style a.jpg --style b.jpg --weights 0.7 --weights 0.3``.

# %%
# How near the style comes is judged by a network that did not draw the pictures, VGG-16. Its Gram
# distance to the painting is 1 for the untouched photograph. The content distance is the relative
# squared error of relu4_3. Pictures have 256 pixels and 90 evaluations at each size; the command is
# ``python -m benchmarks.style_judge --weights VGG16 --paintings PAINTING... --photos PHOTO...``.
# Eleven of the 16 pictures have a style of at most 0.35 and a content below 1.2. The cat stays far
# from three paintings. What stays is the distance of relu4_3, the deepest of the four layers: 1.3
# for The Scream, where the photograph has 1.4. Half as much content does not bring the cat nearer
# to it. In the town, the long strokes of The Scream change much of the content. The Starry Night
# is just beyond the bound there, and with ten times the total variation its distance is 0.43.
#
# .. list-table::
#    :header-rows: 1
#
#    * - photograph
#      - painting
#      - style
#      - content
#    * - the astronaut of scikit-image
#      - The Shipwreck (Turner)
#      - 0.06
#      - 0.84
#    * - the astronaut of scikit-image
#      - The Starry Night (van Gogh)
#      - 0.11
#      - 0.84
#    * - the astronaut of scikit-image
#      - The Scream (Munch)
#      - 0.16
#      - 0.78
#    * - the astronaut of scikit-image
#      - Woman with a Hat (Matisse)
#      - 0.18
#      - 0.60
#    * - a town by a river
#      - The Shipwreck (Turner)
#      - 0.15
#      - 1.00
#    * - a town by a river
#      - The Starry Night (van Gogh)
#      - 0.37
#      - 0.95
#    * - a town by a river
#      - The Scream (Munch)
#      - 0.31
#      - 1.36
#    * - a town by a river
#      - Woman with a Hat (Matisse)
#      - 0.34
#      - 1.19
#    * - the cat of scikit-image
#      - The Shipwreck (Turner)
#      - 0.47
#      - 0.95
#    * - the cat of scikit-image
#      - The Starry Night (van Gogh)
#      - 0.33
#      - 1.05
#    * - the cat of scikit-image
#      - The Scream (Munch)
#      - 0.64
#      - 0.94
#    * - the cat of scikit-image
#      - Woman with a Hat (Matisse)
#      - 0.43
#      - 1.08
#    * - the coffee of scikit-image
#      - The Shipwreck (Turner)
#      - 0.06
#      - 0.78
#    * - the coffee of scikit-image
#      - The Starry Night (van Gogh)
#      - 0.13
#      - 0.92
#    * - the coffee of scikit-image
#      - The Scream (Munch)
#      - 0.25
#      - 0.70
#    * - the coffee of scikit-image
#      - Woman with a Hat (Matisse)
#      - 0.20
#      - 0.85
