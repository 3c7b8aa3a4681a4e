"""
Comparison
==========

What several methods say about several targets, in one picture.

**How to read it.** A row is a target, a column a method. Down a column colors mean the same
numbers, up to the one below the tile, so that what looks stronger is stronger; from one column to
the next they do not. The bars are rank correlations of the first row's map with the least alike
other one: near 1, the method draws the same whatever it is asked, and explains neither.

**Its limits.** The correlation is of absolute values: red in one map and blue in the other count as
alike. Two targets in the same place rightly have like maps, so compare targets that lie apart. A
weak target looks empty beside a strong one. That methods agree does not make them right: several
share their ideas, and their faults.

**Paper.** Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018, `Sanity Checks for Saliency Maps
<https://arxiv.org/abs/1810.03292>`__.
"""

import torch

import convscope as cs

net = cs.load()
cat, coffee = (net.preprocess(cs.open_image(f"sample:{name}")) for name in ("chelsea", "coffee"))
both = torch.cat([cat[..., 40:152], coffee[..., 56:168]], 3)
run = cs.compare(net, both, targets=("tiger cat", "espresso"))
run

# %%
# Half a cat beside half an espresso, so that the right answer is known. Grad-CAM moves from one
# half to the other, and in occlusion the espresso turns from blue to red. Guided backpropagation
# draws the cat's eye for both. SmoothGrad is strong for the cat and weak for the espresso, the
# saliency map the other way round, each wherever it is.
#
# How much of what speaks for the target lies in its own half:

for method, maps in run.result().arrays.items():
    cat_map, espresso_map = maps.clip(0)
    cat_part = cat_map[:, :112].sum() / cat_map.sum()
    espresso_part = espresso_map[:, 112:].sum() / espresso_map.sum()
    print(f"{method:21} tiger cat {cat_part:.0%}, espresso {espresso_part:.0%}")
