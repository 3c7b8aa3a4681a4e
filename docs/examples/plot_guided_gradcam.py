"""
Guided Grad-CAM
===============

The sharp details of guided backpropagation, where Grad-CAM finds the target.

**How to read it.** :doc:`Guided backpropagation <plot_guided_backprop>` shows details but hardly
depends on the target. :doc:`Grad-CAM <plot_gradcam>` finds the target but shows no details. This is
their product, drawn around gray: gray is zero, and colors are those that would raise the score.

**Its limits.** The location comes from Grad-CAM, with its 7 x 7 positions. The details come from
guided backpropagation, which draws what is there, not what counts: within the bright area they look
the same for any class. Sharp lines are no sign of a better explanation. The technique needs ReLUs
or similar activations.

**Paper.** Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, `Grad-CAM: Visual Explanations
from Deep Networks via Gradient-based Localization <https://arxiv.org/abs/1610.02391>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
targets = ("football helmet", "space shuttle")
runs = [cs.guided_gradcam(net, astronaut, target=name, samples=16) for name in targets]
runs

# %%
# The details are averaged over 16 noisy copies, which makes them smoother. One class shows the
# helmet, the other the shuttle, with some hair where the map of Grad-CAM fades out. Guided
# backpropagation alone draws much the same for both. The correlation of the pictures of the two
# classes:

import numpy as np

alone = [cs.guided_backprop(net, astronaut, target=name, samples=16) for name in targets]
for what, pair in (("Guided Grad-CAM", runs), ("guided backpropagation", alone)):
    gradients = [run.result().gradient.ravel() for run in pair]
    print(f"{what}: correlation {np.corrcoef(gradients)[0, 1]:.2f}")
