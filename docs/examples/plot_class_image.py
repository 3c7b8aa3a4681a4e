"""
Class image
===========

An image that the network scores as high as possible for a class, climbed from noise.

**How to read it.** No photograph is involved: every shape and color comes from the weights. The
image contains whatever raises the score of the class. Typical parts may appear several times, and
so may things that often accompany the class: water below a flamingo, smoke above a volcano.

**Its limits.** The image is one of many with a high score, and the priors decide which one. Here
the image consists of Fourier coefficients and is rotated, scaled and shifted a little at every
step; without that, it would be noise with a high score. Another seed gives another image. The
image does not show that a similar photograph was in the training set.

**Paper.** Simonyan, Vedaldi and Zisserman 2014, `Deep Inside Convolutional Networks
<https://arxiv.org/abs/1312.6034>`__, for the idea; Olah, Mordvintsev and Schubert 2017, `Feature
Visualization <https://distill.pub/2017/feature-visualization/>`__, for the method used here.
"""

import convscope as cs

net = cs.load()
cs.class_image(net, target=("flamingo", "volcano", "golden retriever"))

# %%
# It is easy to choose classes that look good. These twenty were drawn at random, with a seed that
# was fixed before the images were made, and all of them are shown:

import numpy as np
import torch

drawn = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:20].tolist()
twenty = cs.class_image(net, target=tuple(drawn)).result()
twenty

# %%
# The score by the network that was climbed says little about the image. A second network, which
# took no part in the climb, can classify the images:

other = cs.load("efficientnet_lite1")


def recognized(result: cs.ImageResult) -> tuple[int, int]:
    """How many images have their class as the other network's top class, and in its top 5."""
    images = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    order = other.logits(images).argsort(1, descending=True)
    rank = [row.index(index) for row, index in zip(order.tolist(), drawn, strict=True)]
    return sum(one == 0 for one in rank), sum(one < 5 for one in rank)


print("top class and top 5, of 20 images:", *recognized(twenty))

# %%
# The oldest method uses pixels and no random views. The climbed network gives its images far higher
# scores:

oldest = cs.class_image(net, target=tuple(drawn), preset="simonyan").result()
print("top class and top 5, of 20 images:", *recognized(oldest))
print("mean score:", np.mean(oldest.score), "against", np.mean(twenty.score))

# %%
# The :doc:`ladder <plot_ladder>` shows the methods between these two. The last method, ``maco``,
# keeps the magnitude of every frequency as it is in photographs. It puts one object in the middle:

cs.class_image(net, target=("flamingo", "volcano", "golden retriever"), preset="maco")

# %%
# In the backward pass a ReLU passes no gradient where its unit is silent, so the climb can only
# strengthen what is already there. The default rule, ``redirected``, lets a tenth of the gradient
# pass, so that silent units can become active. The true gradient reaches a higher score and a worse
# image:

cs.class_image(net, target=("flamingo", "volcano", "golden retriever"), rule="plain")

# %%
# More steps give finer detail, another seed gives another image, and the best of several tries is
# kept: ``cs.class_image(net, target="flamingo", steps=512, tries=8)``.

# %%
# SqueezeNet is right less often than the default network, but its images of a class are as clear:
# whole birds on thin legs, a glowing crater under smoke, and dogs with faces. Edges are
# sharper and colors stronger than those of the default network.

squeezenet = cs.load("squeezenet1_1")
cs.class_image(squeezenet, target=("flamingo", "volcano", "golden retriever"))
