"""
Random occlusion
================

How the score changes when random parts of the photograph are hidden, and what the network can do
without.

**How to read it.** Each mask hides a random half of the photograph behind the mean color of the
training images. The map is the mean probability while a pixel was visible, minus the mean while it
was hidden: red pixels raise the probability, blue ones lower it. On the right are the masks with
the highest and the lowest probability, each with the class that the network then predicted.

**Its limits.** The map is an estimate from a sample. With few masks it is partly chance, and a
second seed shows how much. Half of the photograph is hidden by every mask, so the map is about
half-hidden photographs, not about the whole one. If the network is unsure of the target to begin
with, nearly every mask brings its probability to zero, and little is left to map; use
``score="logit"`` then. With ``masks="boxes"`` unimportant parts come out blue, because a box that
hides them does not hide an important part.

**Paper.** Petsiuk, Das and Saenko 2018, `RISE: Randomized Input Sampling for Explanation of
Black-box Models <https://arxiv.org/abs/1806.07421>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
run = cs.random_occlusion(net, coffee, target="espresso", count=256)
run

# %%
# The cup supports the class. The best masks leave most of it visible and hide the saucer. The worst
# masks hide the rim and much of the coffee. How often the class stayed the top class, and the
# correlation with the map of 256 other masks:

import numpy as np

result = run.result()
other = cs.random_occlusion(net, coffee, target="espresso", count=256, seed=1).result()
print(f"on top under {result.summary['fraction_on_top']:.0%} of the masks")
print(f"correlation {np.corrcoef(result.heatmap.ravel(), other.heatmap.ravel())[0, 1]:.2f}")
