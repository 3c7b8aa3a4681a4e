"""
Guided backpropagation
======================

The details of the photograph that excite a target, drawn crisply.

**How to read it.** The score is differentiated by the pixels, but on the way back every ReLU lets a
gradient pass only where it is positive and where the unit was active. The result is shown around
gray, in the colors that would raise the score; gray is zero. Strong lines and colors are details
that excite the target through a chain of units that all excite the next.

**Its limits.** It is not the gradient of the score, and it hardly depends on the class, as the last
two pictures show: for a class, read it as a picture of what the lower layers picked out. It is most
useful for units inside the network, where the rule follows the few details that the unit sees. It
needs ReLUs or their relatives: on a network without any it says so.

**Paper.** Springenberg, Dosovitskiy, Brox and Riedmiller 2015, `Striving for Simplicity: The All
Convolutional Net <https://arxiv.org/abs/1412.6806>`__. On its limits: Adebayo et al. 2018, `Sanity
Checks for Saliency Maps <https://arxiv.org/abs/1810.03292>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.guided_backprop(net, cat, target="tiger cat")

# %%
# Averaged over noisy copies of the photograph it becomes smoother:

cs.guided_backprop(net, cat, target="tiger cat", samples=16)

# %%
# A whole layer. For nine channels that stand out on this photograph: the patch that their strongest
# unit sees, and what excites the unit in it. One follows the rim of the eye, another the whiskers.

cs.guided_backprop(net, cat, target="blocks.3.1.bn2.pre")

# %%
# The same photograph, two classes. There is no ladle here, and yet the pictures agree:

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [cs.guided_backprop(net, coffee, target=name).result() for name in ("espresso", "ladle")]
print(f"correlation {np.corrcoef(*(one.gradient.ravel() for one in two))[0, 1]:.2f}")
two
