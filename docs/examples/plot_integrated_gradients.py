"""
Integrated gradients
====================

How much each pixel adds to a score on the way from an image that says nothing.

**How to read it.** The gradient is averaged over images between the baseline and the photograph
and multiplied by how far each pixel went: red speaks for the target, blue against it. All pixels
together make up the difference in score between photograph and baseline. By how much the sum
misses it, as a part of the difference, is the figure ``gap``. Left is the map as it is, right the
same on the photograph, smoothed over 4 pixels.

**Its limits.** The map answers "rather than what?", and the baseline is the what: a pixel that is
as in the baseline gets nothing. From a blurred copy of the photograph, the default, even areas get
little; from black, as in the paper, dark things are never part of the answer, as the second picture
shows. Images on the way are no photographs, and what the network makes of them counts as much as
what it makes of yours. Its gradient jumps along the way, so that with few steps the gap can be
large, and it does not shrink evenly; look at it before you quote sums. Red and blue change from one
pixel to the next; the blobs of the smoothed picture are what is left of that flicker, not parts of
the object.

**Paper.** Sundararajan, Taly and Yan 2017, `Axiomatic Attribution for Deep Networks
<https://arxiv.org/abs/1703.01365>`__. On baselines: Sturmfels, Lundberg and Lee 2020, `Visualizing
the Impact of Feature Attribution Baselines <https://distill.pub/2020/attribution-baselines/>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
runs = [
    cs.integrated_gradients(net, astronaut, target="football helmet", baseline=baseline)
    for baseline in ("blur", "black")
]
runs

# %%
# The helmet's visor is black. Above, from a blurred copy, the map is strongest on it and on its
# rim. Below, from a black image, the visor is left blank, and only its rim and its reflections
# count. How much of each map's absolute values lies in the lower right corner, where the helmet is:

import numpy as np

for run in runs:
    strength = np.abs(run.result().heatmap)
    part = strength[157:, 124:].sum() / strength.sum()
    print(f"{run.parameters['baseline']:5} {part:.0%}")

# %%
# The gap, by number of steps, of the blurred baseline and the black one:

for steps in (10, 25, 50):
    gaps = []
    for baseline in ("blur", "black"):
        options = {"target": "football helmet", "steps": steps, "baseline": baseline}
        run = cs.integrated_gradients(net, astronaut, **options)
        gaps.append(run.result().summary["gap"])
    print(f"{steps} steps: {gaps[0]:+.2f} {gaps[1]:+.2f}")
