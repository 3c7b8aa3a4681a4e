"""
Evolved fooling images
======================

Patterns that a network is sure of and a person recognizes nothing in. No gradient is needed: they
evolve.

**How to read it.** Each image is the best that was found for its class, with the probability that
the network gives it. Many have something of the class: its colors, a texture, one part many times.
That is enough for the network, because it only has to tell a thousand classes apart.

**Its limits.** The images fool the network that judged them. Another network sees something else in
most of them, but it recognizes more than chance allows, as shown below: a striped curtain looks
like a theater curtain to both. Some classes, such as breeds of dogs, hardly evolve.

**Paper.** Nguyen, Yosinski and Clune 2015, `Deep Neural Networks are Easily Fooled
<https://arxiv.org/abs/1412.1897>`__, with the archive of Mouret and Clune 2015, `Illuminating
search spaces by mapping elites <https://arxiv.org/abs/1504.04909>`__.
"""

import convscope as cs

net = cs.load("squeezenet1_1")
evolved = cs.evolve(net, nets="efficientnet_lite0", steps=150)
evolved

# %%
# Each image is drawn by a small network of its own, from the place of a pixel to its color (a
# compositional pattern-producing network, CPPN). Its weights, nodes and links mutate at random, and
# the best image of every class has children.

summary = evolved.result().summary
print(f"{summary['evaluations']:,} images judged")
print(f"median confidence of {summary['classes']} classes {summary['confidence']:.1%}")
print(f"{summary['sure']} classes above 90 %")

# %%
# How often another network sees the same class. Chance is how often it would be right if its
# answers were exchanged between the images. What both networks see is in the images: a few lines or
# stripes that are common to a class.

for name, share in summary["recognized"].items():
    print(f"{name} recognizes {share:.1%}; by chance {summary['chance'][name]:.1%}")

# %%
# Eight classes, chosen beforehand, and three ways. From the top: CPPNs, pixels that mutate
# directly, and gradient ascent from noise, which is not evolution. Pixels evolve far more slowly:
# almost every mutation of a noisy image is as noisy. Along the gradient a network is sure after a
# few steps, of an image that is gray to a person.

classes = (
    "goldfish",
    "jellyfish",
    "tiger",
    "monarch",
    "pinwheel",
    "strawberry",
    "spotlight",
    "zebra",
)
ways = [
    cs.evolve(net, target=classes, steps=60),
    cs.evolve(net, target=classes, steps=60, encoding="direct"),
    cs.evolve(net, target=classes, steps=60, encoding="gradient"),
]
for way in ways:
    summary = way.result().summary
    print(f"{summary['encoding']:9} median confidence {summary['confidence']:.1%}")
ways

# %%
# A long evolution shows its sheet while it runs. It can be stopped and continued, with the same
# settings: ``cs.evolve(net, steps=2000).save("evolved.png", resume=True)``, or on the command line
# ``convscope evolve -o evolved.png``, stopped by Ctrl-C and continued with
# ``--resume``.
