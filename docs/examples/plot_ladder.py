"""
Ladder of class images
======================

One class climbed in every way that was found over the years, side by side.

**How to read it.** From left to right, each way believes a little more about images. Pixels that
only are kept from growing (2014) become noise that the network is surer of than of any photograph.
Jitter and a faint blur (the CS231n course) let shapes of a few pixels survive, a strong blur
(2015) larger ones. Fourier coefficients whose image is turned, scaled and shifted (2017) bring
colors, parts and fur; and where the strength of every frequency is given, as photographs have it,
and only places can be chosen (2023), one thing stands in the middle of a scene. The number is the
class's score for the image as it is.

**Its limits.** Each way has rates and weights of its own, here chosen by eye for this network where
the paper's do not carry over; the steps differ too. It is a history, not a race.

**Paper.** Simonyan et al. 2014, `Deep Inside Convolutional Networks
<https://arxiv.org/abs/1312.6034>`__; Yosinski et al. 2015, `Understanding Neural Networks Through
Deep Visualization <https://arxiv.org/abs/1506.06579>`__; Olah et al. 2017, `Feature Visualization
<https://distill.pub/2017/feature-visualization/>`__; Fel et al. 2023, `Unlocking Feature
Visualization for Deeper Networks with MAgnitude Constrained Optimization
<https://arxiv.org/abs/2306.06805>`__.
"""

import convscope as cs

net = cs.load()
cs.ladder(net, target="golden retriever")

# %%
# Another class and seed:

cs.ladder(net, target="flamingo", seed=1)
