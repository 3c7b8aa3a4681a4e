"""
Activation atlas
================

A map of what a layer tells apart: a grid of images, each of what the activations in its cell say.

**How to read it.** Each photograph gives a few activations: what the layer computes at positions
drawn at random. Similar activations lie together, and those in one cell are averaged. The image in
the cell shows what in the layer raises the classes that the cell pushes up. Neighbors look alike,
so look for regions, and for what changes on the way from one to the next. The name on a cell is the
class that its activations push up most, compared with all others. The class is often a good word
for the region, and sometimes a surprising one: that is where to look closer. In the explorer, press
a cell to see the photographs behind it.

**Its limits.** The atlas shows the activations of these photographs and no others: what is not in
the collection has no cell. A cell is an average, and an average of different things may look like
nothing. The first classes of a cell decide most of its image: what else lies there is in the
``summary``. The layout tears some neighbors apart and joins some strangers, as every map in the
plane does. Neighbors also look alike because their images begin alike: pose and background say
little. The images are optimized, and show what excites the network more clearly than photographs
do. The name of a cell is a first-order estimate, exact only where the rest of the
network is linear. Of a collection with many classes, a cell holds several: a finer grid
(``grid=20``) tells them apart, and takes four times as long.

**Paper.** Carter, Armstrong, Schubert, Johnson and Olah 2019, `Exploring Neural Networks with
Activation Atlases <https://distill.pub/2019/activation-atlas/>`__. The paper lays out a million
activations by UMAP; here t-SNE is the default, which comes with the package and leaves fewer cells
of a small collection empty. The paper whitens the mean activation of a cell. Here each channel
counts as much as the scores of the classes depend on it that the cell pushes up most clearly,
because then another network recognizes more of the images; ``by="covariance"`` whitens. The paper
draws each cell from noise of its own. Here blocks of cells are drawn first, and a cell begins with
a blend of the blocks around it.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
found = cs.activation_atlas(net, index=index, grid=7)
found

# %%
# The collection has parts of thirteen photographs, so most regions are one of them. The summary
# tells what lies in a cell:

for cell in found.result().summary["cells"][:4]:
    classes = ", ".join(cell["classes"])
    print(f"row {cell['row']}, column {cell['column']}: {classes}; {cell['labels']}")

# %%
# A layer in the middle of the network, whitened as in the paper. Its cells are textures and shapes:

cs.activation_atlas(net, index=index, layer="blocks.3", grid=7, size=96, each=2, by="covariance")
