"""
Filters
=======

The weights of a convolution: the first layer in color, deeper layers in gray.

**How to read it.** A filter of the first layer acts on pixels, so it has a red, a green and a blue
plane, and is shown as a small color image. It responds most where the photograph looks like it. By
default each filter has its own full contrast; ``scale="layer"`` draws all filters on one scale, so
that weak filters look weak. The histogram shows all weights of the layer. Weights below a hundredth
of the largest count as near zero.

``show="effective"`` multiplies all weights from the pixels up to a unit. A unit of a deeper layer
then has a color filter as large as its receptive field. Gray is zero in these filters, and a cross
marks a channel that the pixels do not reach.

**Its limits.** The famous pictures of oriented edges and color blobs show first layers of 11 x 11
or 7 x 7 pixels. In 3 x 3 pixels there is room for little more than an edge, a dot or a color.
Deeper filters act on channels, not on colors: they can be drawn, but a pattern of gray squares says
little about the meaning of a unit. Effective filters have colors but ignore the ReLUs. In the first
layers they still predict how most units respond, as shown below, and less so in deeper layers.
There, use :doc:`activation maps <plot_activations>` or :doc:`guided backpropagation
<plot_guided_backprop>`.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__.
"""

import convscope as cs

net = cs.load()
cs.filters(net)

# %%
# A tile of one color responds to that color. A tile that is light on one side and dark on the other
# responds to an edge.
#
# Three pixels are few. The layer below has a receptive field of 11 x 11 pixels, like the filters of
# the famous pictures, and looks for the same things: fine and coarse stripes in every direction,
# spots, and borders between opposite colors. No filter of this size is stored in the network. It is
# the product of five convolutions without the activation functions between them.

effective = cs.filters(net, show="effective").result()
effective

# %%
# How well does an effective filter predict its unit? The filters are applied to a photograph and
# compared with the activations at 53 x 53 positions. The number is the median correlation over the
# channels:

import torch

seen = net.preprocess(cs.open_image("sample:chelsea"))
answers = net.read(seen, {"blocks.1.0.bn2.pre"})["blocks.1.0.bn2.pre"][0, :64, 1:54, 1:54]
filters = torch.from_numpy(effective.arrays["filters"])
linear = torch.conv2d(seen[:, :, 2:, 2:], filters, stride=4)[0]  # unit 1 begins at pixel 2
pairs = torch.stack([answers.flatten(1), linear.flatten(1)], 1)
print(f"{torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).nanmedian():.2f}")

# %%
# A deeper layer. This convolution is depthwise: each filter reads a single channel, so each is one
# gray tile. White squares are the largest weights, black squares the smallest. A white center in
# black sharpens the channel below, and a gradient from one side to the other finds an edge in it.

cs.filters(net, layer="blocks.3.1.conv_dw")

# %%
# A filter that reads several channels is a row with a plane for each of them: a row of the picture
# is a filter, a column is a channel of the layer below. This convolution is 1 x 1, so a plane is a
# single weight. The row shows which channels the filter adds (white) and which it subtracts
# (black).

cs.filters(net, layer="blocks.1.0.conv_pw", limit=12)

# %%
# The weights as they were trained, before BatchNorm is folded into them:

weights = cs.filters(net).result().arrays["weights"]
print(weights.shape, f"{weights.min():.2f} to {weights.max():.2f}")

# %%
# SqueezeNet stores filters of 3 x 3 pixels too. Most find edges and borders of opposite colors:

squeezenet = cs.load("squeezenet1_1")
cs.filters(squeezenet)

# %%
# Two modules later, effective filters of 23 x 23 pixels are much like those of AlexNet's first
# layer: stripes in every direction, and spots and borders of opposite colors. The grid that lies
# over them comes from max pooling: it counts as the mean of its window, and windows overlap.

layer = "features.4.expand3x3_activation.pre"
cs.filters(squeezenet, layer=layer, show="effective")

# %%
# The real pooling takes the maximum. How well do the effective filters predict their units, one
# module after the other? Again the median correlation over the channels:

seen = squeezenet.preprocess(cs.open_image("sample:chelsea"))
for layer, first in (("features.3", 8), ("features.4", 4)):  # unit 3 begins at this pixel
    name = f"{layer}.expand3x3_activation.pre"
    result = cs.filters(squeezenet, layer=name, show="effective").result()
    filters = torch.from_numpy(result.arrays["filters"])
    linear = torch.conv2d(seen[:, :, first:, first:], filters, stride=4)[0, :, :50, :50]
    answers = squeezenet.read(seen, {name})[name][0, :, 3:53, 3:53]
    pairs = torch.stack([answers.flatten(1), linear.flatten(1)], 1)
    alike = torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs])
    print(layer, f"{alike.nanmedian():.2f}")
