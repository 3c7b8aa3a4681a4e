"""
Texture from statistics
=======================

A texture climbed from noise until a network's statistics are those of a sample.

**How to read it.** A statistic of a layer says how often its features occur, and which occur
together, but not where. So the texture has the sample's elements in other places. Shallow layers
know colors and grain. The deeper the layers that are matched, the larger the elements that come out
whole.

**Its limits.** What is larger than a unit's receptive field is not kept: objects, and patterns that
repeat over a long distance. Many images have the same statistics, and each seed gives another. A
sample must be at least as large as the receptive field of the deepest layer. The network matters:
SqueezeNet, which the command loads by itself, draws better textures than EfficientNet-Lite0.

**Paper.** Gatys, Ecker and Bethge 2015, `Texture Synthesis Using Convolutional Neural Networks
<https://arxiv.org/abs/1505.07376>`__. The sliced Wasserstein distance comes from Heitz, Vanhoey,
Chambon and Belcour 2021, `A Sliced Wasserstein Loss for Neural Texture Synthesis
<https://arxiv.org/abs/2006.07229>`__.
"""

from pathlib import Path

import skimage

import convscope as cs

net = cs.load("squeezenet1_1")
pictures = Path(skimage.__file__).parent / "data"
tissue = cs.open_image(pictures / "ihc.png")
depths = cs.texture(net, tissue, each_depth=True, height=160, width=160, sample_size=200)
depths

# %%
# One texture for each depth: from the first layer alone, from the first two, and so on. The curve
# is about layers that no texture was made from. Their Gram matrices also come nearer to the
# sample's, the more layers are matched. The same in numbers; a star marks the layers that a texture
# was made from.

summary = depths.result().summary
print(f"{'matched':>8}", *(f"{name:>11}" for name in summary["layers"]), "     others")
for count, (row, others) in enumerate(zip(summary["distances"], summary["others"], strict=True), 1):
    marks = ("*" if place < count else " " for place in range(len(row)))
    cells = (f"{value:10.4f}{mark}" for value, mark in zip(row, marks, strict=True))
    print(f"{count:8}", *cells, f"{others:11.4f}")

# %%
# The four statistics. Means and standard deviations are a small part of what a Gram matrix holds.
# They draw much the same texture, though the Gram distance stays larger. The sliced distance
# compares whole distributions, and takes eight times as long.

kinds = cs.texture(
    net,
    tissue,
    by=("gram", "centered", "moments", "sliced"),
    height=160,
    width=160,
    sample_size=200,
    steps=150,
)
kinds

# %%
# In each case the Gram distance is measured, at the layers that were matched and at the others.

summary = kinds.result().summary
for by, row, others in zip(summary["by"], summary["distances"], summary["others"], strict=True):
    print(f"{by:9} Gram distance {sum(row) / len(row):.4f} matched, {others:.4f} elsewhere")

# %%
# A tile: it continues at its opposite edges. The number compares how much pixels change across
# these edges with how much neighbors inside change; 1 is an edge that cannot be seen.

gravel = cs.open_image(pictures / "gravel.png")
tile = cs.texture(net, gravel, tileable=True, height=128, width=128).result()
print(f"change across the edges {tile.summary['seams'][0]:.2f}")
