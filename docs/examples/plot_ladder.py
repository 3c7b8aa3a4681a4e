"""
Ladder of class images
======================

Images of one class by five published methods, side by side from 2014 to 2023.

**How to read it.** From left to right, each method assumes more about images. Pixels with a penalty
on their size (2014) become noise, which the network scores higher than any photograph. Jitter and a
faint blur (the CS231n course) let shapes of a few pixels appear, and a stronger blur (2015) larger
shapes. Fourier coefficients under random rotation, scaling and shift (2017) bring colors, parts and
fur. If every frequency keeps the magnitude that it has in photographs, and only the phases are
optimized (2023), one object appears in the middle of a scene. The number below an image is its
score for the class.

**Its limits.** Each method has learning rates and weights of its own. Where the values of the paper
did not work for this network, other values were chosen by eye, and the numbers of steps differ.
The row shows how the methods developed; it is not a fair comparison.

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
# Another class with another seed:

cs.ladder(net, target="flamingo", seed=1)
