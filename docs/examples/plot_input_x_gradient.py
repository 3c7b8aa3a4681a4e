"""
Input times gradient
====================

How much each pixel would add to a score, if the network were linear.

**How to read it.** The gradient of the score at a pixel times how far the pixel is from the
baseline, summed over the colors: red speaks for the target, blue against it. The baseline, by
default the mean of the training images, is what counts as nothing. Left is the map as it is, right
the same on the photograph, smoothed over 4 pixels.

**Its limits.** For a linear network the map adds up to the difference in score between photograph
and baseline. A deep network is far from linear, and the sum may have nothing to do with it, as the
numbers below show. A pixel like the baseline gets nothing, however important: another baseline
gives another map. Red and blue change from one pixel to the next; the blobs of the smoothed picture
are what is left of that flicker, not parts of the object.

**Paper.** Shrikumar, Greenside, Shcherbina and Kundaje 2016, `Not Just a Black Box: Learning
Important Features Through Propagating Activation Differences
<https://arxiv.org/abs/1605.01713>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
runs = [
    cs.input_x_gradient(net, coffee, target="espresso", baseline=baseline)
    for baseline in ("mean", "black")
]
runs

# %%
# Above with the mean as the baseline, below with black: the dark saucer, far from the one and near
# to the other, gets much or next to nothing.
#
# What the maps add up to, and what they should:

import torch

seen = net.preprocess(coffee)
espresso = net.target("espresso").channel
for run, level in zip(runs, (net.mean[0], 0.0), strict=True):
    nothing = torch.full_like(seen, level)
    difference = net.logits(seen)[0, espresso] - net.logits(nothing)[0, espresso]
    print(f"sum {run.result().heatmap.sum():5.2f}, difference in score {difference:.2f}")

# %%
# :doc:`Integrated gradients <plot_integrated_gradients>` follow the score from the baseline to the
# photograph instead, and come close to it.
