"""
Integrated gradients
====================

How much each pixel adds to the score on the way from a baseline image to the photograph.

**How to read it.** The gradient is averaged over images between the baseline and the photograph and
multiplied by the change of each pixel. Red pixels support the target, blue ones oppose it. All
pixels together sum to the difference in score between the photograph and the baseline.
``summary["gap"]`` is the error of this sum, as a fraction of the difference. The raw map is on the
left. On the right it lies over the photograph, smoothed over 4 pixels.

**Its limits.** The map answers "compared to what?", and the baseline is the "what": a pixel that
equals the baseline gets zero. The default baseline is a blurred copy of the photograph, so flat
areas get little. With black, as in the paper, dark objects never count, as the second picture
shows. The images in between are not photographs, and the network's response to them counts as much
as its response to yours. The gradient jumps along the way, so the gap can be large with few steps,
and it does not shrink evenly. Check it before you quote sums. Red and blue alternate from one pixel
to the next. The blobs of the smoothed picture are what remains of this alternation, not parts of
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
# The visor of the helmet is black. In the upper map, whose baseline is a blurred copy, the visor
# and its rim are strongest. In the lower map, whose baseline is black, the visor is empty, and only
# its rim and its reflections count. The fraction of each map's absolute values in the lower right
# corner, where the helmet is:

import numpy as np

for run in runs:
    strength = np.abs(run.result().heatmap)
    fraction = strength[157:, 124:].sum() / strength.sum()
    print(f"{run.parameters['baseline']:5} {fraction:.0%}")

# %%
# The gap for several numbers of steps, with the blurred baseline and with the black one:

for steps in (10, 25, 50):
    gaps = []
    for baseline in ("blur", "black"):
        run = cs.integrated_gradients(
            net, astronaut, target="football helmet", steps=steps, baseline=baseline
        )
        gaps.append(run.result().summary["gap"])
    print(f"{steps} steps: {gaps[0]:+.2f} {gaps[1]:+.2f}")
