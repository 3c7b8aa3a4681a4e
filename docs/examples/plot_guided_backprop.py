"""
Guided backpropagation
======================

The details of the photograph that excite a target, drawn sharply.

**How to read it.** The score is differentiated with respect to the pixels, but on the way back
every ReLU passes a gradient only where it is positive and where the unit was active. The result is
drawn around gray: gray is zero, and colors are those that would raise the score. Strong lines and
colors are details that excite the target through a chain of units that all excite the next one.

**Its limits.** The result is not the gradient of the score, and it hardly depends on the class, as
the last two pictures show. For a class, read it as a picture of what the lower layers respond to.
It is most useful for units inside the network, where it follows the few details that the unit
responds to. It needs ReLUs or similar activations and refuses networks without any.

**Paper.** Springenberg, Dosovitskiy, Brox and Riedmiller 2015, `Striving for Simplicity: The All
Convolutional Net <https://arxiv.org/abs/1412.6806>`__. On its limits: Adebayo et al. 2018, `Sanity
Checks for Saliency Maps <https://arxiv.org/abs/1810.03292>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.guided_backprop(net, cat, target="tiger cat")

# %%
# The average over noisy copies of the photograph is smoother:

cs.guided_backprop(net, cat, target="tiger cat", samples=16)

# %%
# A whole layer: nine channels that stand out on this photograph, each with the patch in the
# receptive field of its strongest unit, and the details of the patch that excite the unit. One
# channel follows the rim of the eye, another the whiskers.

cs.guided_backprop(net, cat, target="blocks.3.1.bn2.pre")

# %%
# The same photograph with two classes. It shows no ladle, and yet both pictures agree:

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [cs.guided_backprop(net, coffee, target=name).result() for name in ("espresso", "ladle")]
print(f"correlation {np.corrcoef([one.gradient.ravel() for one in two])[0, 1]:.2f}")
two

# %%
# SqueezeNet, the second network that convscope brings along, has plain ReLUs and max pooling. Less
# noise lies between the lines of its picture: those of the eyes, the nose and the whiskers stand
# out.

squeezenet = cs.load("squeezenet1_1")
cs.guided_backprop(squeezenet, cat, target="tiger cat")

# %%
# Channels of a deep layer: two respond to eyes, others to the stripes of the fur and to whiskers.

cs.guided_backprop(squeezenet, cat, target="features.9")
