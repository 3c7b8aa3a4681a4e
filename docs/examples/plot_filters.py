"""
Filters
=======

The weights of a convolution, drawn: the first layer in color, deeper ones in gray, and what
several layers make together.

**How to read it.** A filter of the first layer is laid on the pixels themselves, so it has a red, a
green and a blue plane and can be shown as a small color image: it answers most where the
photograph looks like it. By default each filter is stretched to its own full contrast;
``scale="layer"`` draws all on one scale, so that weak filters look weak. The histogram has all the
weights of the layer. Those below a hundredth of the largest count as near zero.

``show="effective"`` multiplies out all weights from the pixels up to a unit, so that a unit some
layers up has a filter of its own in color, as large as what it sees. Gray is zero there, and a
cross marks a channel that the pixels do not reach.

**Its limits.** The famous pictures of oriented edges and color blobs come from first layers of
11 x 11 or 7 x 7 pixels. At 3 x 3 there is room for little more than an edge, a dot or a color.
Deeper filters are laid on channels, not on colors: they can be looked at, but a pattern of gray
squares says little about what the unit means. Effective filters are in color, but leave the ReLUs
out: a few layers up they still foretell how most units answer (see below), and the deeper the less.
There, ask for :doc:`activation maps <plot_activations>` or read a unit back with :doc:`guided
backpropagation <plot_guided_backprop>` instead.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__.
"""

import convscope as cs

net = cs.load()
cs.filters(net)

# %%
# A flat color tile answers to that color; a tile that is light on one side and dark on the other
# answers to an edge.
#
# Three pixels are few. The layer drawn here sees 11 x 11, as did the filters that made such
# pictures famous, and what it looks for is the same: stripes in every direction, fine and coarse
# ones, spots and borders of opposed colors. No filter of this size was ever stored: it is what
# five convolutions make of each other if nothing is cut off between them.

effective = cs.filters(net, show="effective").result()
effective

# %%
# Is a unit its effective filter? Lay the filters on a photograph, and compare with what the units
# really answer at each of 53 x 53 places. The median over channels of the correlation:

import torch

seen = net.preprocess(cs.open_image("sample:chelsea"))
answers = net.read(seen, {"blocks.1.0.bn2.pre"})["blocks.1.0.bn2.pre"][0, :64, 1:54, 1:54]
filters = torch.from_numpy(effective.arrays["filters"])
linear = torch.conv2d(seen[:, :, 2:, 2:], filters, stride=4)[0]  # unit 1 begins at pixel 2
pairs = torch.stack([answers.flatten(1), linear.flatten(1)], 1)
print(f"{torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).nanmedian():.2f}")

# %%
# A deeper layer. This one is depthwise: each filter sees a single channel, so each is one gray
# tile. White squares are the largest weights, black ones the smallest. A white center in black
# sharpens what comes from below, a gradient from one side to the other finds an edge in it.

cs.filters(net, layer="blocks.3.1.conv_dw")

# %%
# Where a filter sees several channels, it is a row with a plane for each of them: a line of the
# picture is a filter, a column is a channel of the layer below. This convolution is 1 x 1, so that
# a plane is one weight, and the row says which channels it adds (white) and subtracts (black).

cs.filters(net, layer="blocks.1.0.conv_pw", limit=12)

# %%
# The weights themselves, as they were trained (before any folding):

weights = cs.filters(net).result().arrays["weights"]
print(weights.shape, f"{weights.min():.2f} to {weights.max():.2f}")
