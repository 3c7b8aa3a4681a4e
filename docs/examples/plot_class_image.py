"""
Class image
===========

What the network would most like to see, climbed from noise until a score is high.

**How to read it.** No photograph goes in: every shape and colour comes from the weights. What
appears is what raises the score of the class, so parts that are typical may come several times,
and things that usually stand beside it come along: water under a flamingo, smoke over a volcano.

**Its limits.** It is one image of many that the network likes, and the priors decide which: here
the image is made of Fourier coefficients and is turned, scaled and shifted a little at every step,
or else the result would be noise with a high score. Another seed gives another picture. Nothing
says that a photograph like it was in the training set.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks
<https://arxiv.org/abs/1312.6034>`__, for the idea; Olah, Mordvintsev and Schubert 2017, `Feature
Visualization <https://distill.pub/2017/feature-visualization/>`__, for how it is done here.
"""

import convscope as cs

net = cs.load()
flamingo, *others = (
    cs.class_image(net, target=name, steps=128)
    for name in ("flamingo", "volcano", "golden retriever")
)
[flamingo, *others]

# %%
# On the way back a ReLU passes no gradient where its unit is silent, so that the climb can only
# strengthen what is there already. By default a tenth of the gradient passes all the same (the rule
# ``redirected``), and silent units can wake. Left with it, right with the plain gradient:

plain = cs.class_image(net, target="flamingo", steps=128, rule="plain")
print(f"redirected: score {flamingo.result().score:.1f}")
print(f"plain:      score {plain.result().score:.1f}")
[flamingo, plain]

# %%
# The plain climb reaches the higher score and the lesser picture: a score alone does not tell how
# well an image can be read.
#
# More steps make it finer, and another seed makes another one:
# ``cs.class_image(net, target="flamingo", steps=512, seed=1)``.
