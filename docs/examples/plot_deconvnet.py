"""
Deconvnet
=========

What excites a unit, read back by a network that runs in reverse.

**How to read it.** The target's activation is sent back to the pixels. Every ReLU on the way acts
on the signal itself and keeps what is positive, whatever the unit did on the way forward. Beside
each patch of the photograph stands the pattern that its unit looks for, in the colors that would
raise it; gray is zero.

**Its limits.** The rule does not ask which ReLUs were active. What ties the picture to the
photograph are the positions of the strongest units and, in the paper's networks, the switches of
max pooling: which of four pixels passed. A network that shrinks its maps by strides instead, like
the default one, has no switches. Its early layers show what their units look for; its deep ones a
checkerboard that says nothing of the photograph, as the second picture shows. For those, use
:doc:`guided backpropagation <plot_guided_backprop>`.

**Paper.** Zeiler and Fergus 2014, `Visualizing and Understanding Convolutional Networks
<https://arxiv.org/abs/1311.2901>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.deconvnet(net, cat)

# %%
# Without a target it takes the deepest layer whose units still see only a detail. The patterns are
# spots and edges of one color, each with its opposite around it.
#
# A class, read back through the whole network. The squares are the strides: a stride of 2 passes
# its signal back to every second pixel only, five of them to a grid of 32 pixels, and with every
# negative value dropped nothing is left to cancel it. Another photograph gives nearly the same:

import numpy as np

coffee = cs.open_image("sample:coffee")
two = [cs.deconvnet(net, photo, target="tabby").result() for photo in (cat, coffee)]
print(f"correlation {np.corrcoef(*(one.gradient.ravel() for one in two))[0, 1]:.2f}")
two
