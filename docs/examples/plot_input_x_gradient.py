"""
Input times gradient
====================

How much each pixel would add to the score if the network were linear.

**How to read it.** The map is the gradient of the score with respect to a pixel, times the
difference of the pixel from the baseline, summed over the colors. Red pixels support the target,
blue ones oppose it. The baseline is the image that counts as "nothing", by default the mean color
of the training images. The raw map is on the left. On the right it lies over the photograph,
smoothed over 4 pixels.

**Its limits.** The map of a linear network sums to the difference in score between the photograph
and the baseline. A deep network is far from linear, and the sum may have nothing to do with that
difference, as the numbers below show. A pixel that equals the baseline gets zero, however important
it is, so another baseline gives another map. Red and blue alternate from one pixel to the next. The
blobs of the smoothed picture are what remains of this alternation, not parts of the object.

**Paper.** Shrikumar, Greenside, Shcherbina and Kundaje 2016, `Not Just a Black Box: Learning
Important Features Through Propagating Activation Differences <https://arxiv.org/abs/1605.01713>`__.
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
# The baseline is the mean color in the upper picture and black in the lower one. The dark saucer is
# far from the mean and close to black, so it gets much in the first map and almost nothing in the
# second.
#
# The sum of each map, and what it would be for a linear network:

import torch

seen = net.preprocess(coffee)
espresso = net.target("espresso").channel
for run, level in zip(runs, (net.mean[0], 0.0), strict=True):
    nothing = torch.full_like(seen, level)
    difference = net.logits(seen)[0, espresso] - net.logits(nothing)[0, espresso]
    print(f"sum {run.result().heatmap.sum():5.2f}, difference in score {difference:.2f}")

# %%
# :doc:`Integrated gradients <plot_integrated_gradients>` follow the score from the baseline to the
# photograph, and their sum comes close to the difference.
