"""
Random occlusion
================

What hiding random parts of the photograph does to a score, and what it can do without.

**How to read it.** Each mask hides a random half of the photograph behind gray. The map shows the
mean probability while a pixel was visible less the mean while it was hidden: red places raise it,
blue ones lower it. On the right are the masks under which the probability was highest and lowest,
each with what the network then took the photograph for.

**Its limits.** It is an estimate from a sample: with few masks the map is partly chance, and a
second seed shows how much. Half of the photograph is missing under every mask, so the map tells of
photographs in tatters, not of the whole one. Where the network is not convinced to begin with,
nearly every mask brings the probability to nothing and little is left to map: take
``score="logit"`` then. With ``masks="boxes"`` what does not matter comes out blue: while the box
is there, it is not on what matters.

**Paper.** Petsiuk, Das and Saenko 2018, `RISE: Randomized Input Sampling for Explanation of
Black-box Models <https://arxiv.org/abs/1806.07421>`__.
"""

import convscope as cs

net = cs.load()
coffee = cs.open_image("sample:coffee")
run = cs.random_occlusion(net, coffee, target="espresso", count=256)
run

# %%
# The cup carries the class. The best masks leave most of it and hide the saucer; the worst ones
# hide the rim and much of what is in it. How often the class stayed on top, and how alike the map
# of 256 other masks is:

import numpy as np

result = run.result()
other = cs.random_occlusion(net, coffee, target="espresso", count=256, seed=1).result()
print(f"on top under {result.summary['kept']:.0%} of the masks")
print(f"correlation {np.corrcoef(result.heatmap.ravel(), other.heatmap.ravel())[0, 1]:.2f}")
