"""
Class image
===========

What the network would most like to see, climbed from noise until a score is high.

**How to read it.** No photograph goes in: every shape and color comes from the weights. What
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
cs.class_image(net, target=("flamingo", "volcano", "golden retriever"))

# %%
# Anyone can choose classes that come out well. These twenty were drawn by chance, with a seed that
# was fixed before any of them was looked at, and are shown as they came:

import numpy as np
import torch

drawn = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:20].tolist()
twenty = cs.class_image(net, target=tuple(drawn)).result()
twenty

# %%
# A high score of the network that was climbed says nothing about a picture. Another network, which
# took no part in the climb, can be asked what it sees in each:

other = cs.load("efficientnet_lite1")


def named(result: cs.ImageResult) -> tuple[int, int]:
    """How many of the images the other network names, first and among its first five."""
    images = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    order = other.logits(images).argsort(1, descending=True)
    first = [row.index(index) for row, index in zip(order.tolist(), drawn, strict=True)]
    return sum(rank == 0 for rank in first), sum(rank < 5 for rank in first)


print("first, among the first five, of 20:", *named(twenty))

# %%
# And for the oldest way, pixels and no view but the straight one, which the network that was
# climbed scores far higher:

oldest = cs.class_image(net, target=tuple(drawn), preset="simonyan").result()
print("first, among the first five, of 20:", *named(oldest))
print("mean score:", np.mean(oldest.score), "against", np.mean(twenty.score))

# %%
# The ways between the two are on the page of the :doc:`ladder <plot_ladder>`. The last of them,
# which keeps the strength of each frequency as photographs have it, puts one thing in the middle:

cs.class_image(net, target=("flamingo", "volcano", "golden retriever"), preset="maco")

# %%
# On the way back a ReLU passes no gradient where its unit is silent, so that the climb can only
# strengthen what is there already. By default a tenth of the gradient passes all the same (the rule
# ``redirected``), and silent units can wake. The true gradient reaches a higher score and a lesser
# picture:

cs.class_image(net, target=("flamingo", "volcano", "golden retriever"), rule="plain")

# %%
# More steps make it finer, another seed makes another one, and of several tries the best is kept:
# ``cs.class_image(net, target="flamingo", steps=512, tries=8)``.
