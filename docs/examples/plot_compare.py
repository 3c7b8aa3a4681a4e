"""
Comparison
==========

Maps of several methods for several targets in one picture.

**How to read it.** Each row is a target and each column a method. Within a column the same color
means the same value, up to the one below the tile, so a tile that looks stronger is stronger.
Columns do not compare. The bars are the rank correlations of the first row's map with the least
similar other map of its column: near 1, the method draws the same map for every target, and
explains none of them. With `nets`, each network has a row, and for two of the same layers a second
group of bars says in which layers the weights differ most.

**Its limits.** The correlation is of absolute values, so red in one map and blue in the other count
as alike. Two targets in the same place rightly have similar maps, so compare targets that lie
apart. A weak target looks empty beside a strong one. Methods that agree may still be wrong: several
share their ideas, and their faults.

**Paper.** Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018, `Sanity Checks for Saliency Maps
<https://arxiv.org/abs/1810.03292>`__.
"""

import torch

import convscope as cs

net = cs.load()
cat, coffee = (net.preprocess(cs.open_image(f"sample:{name}")) for name in ("chelsea", "coffee"))
both = torch.cat([cat[..., 40:152], coffee[..., 56:168]], 3)
run = cs.compare(net, both, target=("tiger cat", "espresso"))
run

# %%
# Half a cat beside half an espresso, so the right answer is known. Grad-CAM moves from one half to
# the other, and in occlusion the espresso turns from blue to red. Guided backpropagation draws the
# cat's eye for both targets. SmoothGrad is strong on the cat and weak on the espresso, and the
# saliency map the other way round, both for either target.
#
# The fraction of the positive values that lies in the target's own half:

for method, maps in run.result().arrays.items():
    cat_map, espresso_map = maps.clip(0)
    cat_fraction = cat_map[:, :112].sum() / cat_map.sum()
    espresso_fraction = espresso_map[:, 112:].sum() / espresso_map.sum()
    print(f"{method:21} tiger cat {cat_fraction:.0%}, espresso {espresso_fraction:.0%}")
