"""
HOG glyphs
==========

Histograms of oriented gradients (HOG) described pictures before ConvNets did. Each cell of 8 x 8
pixels holds how much brightness changes there in each of nine directions.

**How to read it.** Each star is a cell, and each of its rays lies along the edges of one direction.
Blocks of 3 x 3 cells are scaled to the same length, so that faint edges in a plain region count as
much as strong ones.

**Its limits.** The stars show the descriptor as it is, and not what is lost in it: the sign of an
edge, its color, and its place within the cell. An inversion shows that better.

**Paper.** Dalal and Triggs 2005, `Histograms of Oriented Gradients for Human Detection
<https://inria.hal.science/inria-00548512>`__. The inversion of HOG comes from Vondrick, Khosla,
Malisiewicz and Torralba 2013, `HOGgles <https://arxiv.org/abs/1502.05461>`__.
"""

import convscope as cs

astronaut = cs.open_image("sample:astronaut")
cs.hog(astronaut)

# %%
# The numbers are those of scikit-image, whose own drawing shows the cells before they are scaled.

import numpy as np
from matplotlib import pyplot as plt
from skimage.feature import hog

pixels = astronaut[0].permute(1, 2, 0).numpy()
wanted, drawing = hog(pixels, channel_axis=-1, visualize=True)
found = cs.hog(astronaut).result().arrays["descriptor"]
print(f"relative error {np.linalg.norm(found - wanted) / np.linalg.norm(wanted):.1e}")
_, axes = plt.subplots(figsize=(5, 5))
axes.imshow(drawing, cmap="gray", vmax=np.quantile(drawing, 0.99))
axes.axis("off")

# %%
# HOG is a `Network` without weights, so it can be inverted as any other. The descriptor keeps
# enough for a person to see what is there, and no colors.

net = cs.load("hog")
inverted = cs.invert(net, astronaut, layer="blocks")
inverted

# %%
# `index` and `neighbors` take it as well. They average the last layer over all places, as they do
# for every network with feature maps. So pictures are near that have edges of the same directions,
# wherever these lie. To compare the whole descriptor, with its places, make it a layer:
# ``torch.nn.Sequential(cs.HOG(), torch.nn.Identity())``.

# %%
# Another size of the cells, or of the blocks, is another network.

coarse = cs.Network(
    cs.HOG(pixels_per_cell=12, cells_per_block=2),
    mean=[0, 0, 0],
    std=[1, 1, 1],
    input_size=192,
    output="embedding",
)
cs.invert(coarse, astronaut, layer="blocks")

# %%
# A linear classifier of handwritten digits is a network too. The score of a class is a weighted sum
# of the pixels, so its gradient is the same for every image: it is the weights. Gradient ascent
# from gray draws nothing else, so the class images of this classifier are its weights.

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

digits = load_digits()
assert isinstance(digits, Bunch)
known, numbers = digits.data[:1200] / 16, digits.target[:1200]
unknown, answers = digits.data[1200:] / 16, digits.target[1200:]
fitted = LogisticRegression(max_iter=1000).fit(known, numbers)
print(f"accuracy on {len(answers)} other digits: {fitted.score(unknown, answers):.1%}")

linear = torch.nn.Linear(64, 10)
linear.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
linear.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
on_pixels = cs.Network(
    torch.nn.Sequential(torch.nn.Flatten(), linear),
    mean=[0],
    std=[1],
    input_size=8,
    labels=[f"digit {number}" for number in range(10)],
)
right = (answers == 3) & (fitted.predict(unknown) == 3)
three = torch.tensor(unknown[right][1], dtype=torch.float32).view(1, 1, 8, 8)
gradient = cs.saliency(on_pixels, three, target="digit 3").result().gradient
print(f"largest difference from the weights: {abs(gradient.ravel() - fitted.coef_[3]).max():.1e}")

_, rows = plt.subplots(2, 5, figsize=(10, 4))
for number, axes in enumerate(rows.ravel()):
    weights = cs.saliency(on_pixels, three, target=number).result().gradient[0]
    axes.imshow(weights, cmap="RdBu_r", vmin=-abs(weights).max(), vmax=abs(weights).max())
    axes.set_title(f"digit {number}")
    axes.axis("off")

# %%
# It is fooled the same way as a ConvNet. Each pixel changes by the same small amount: up where the
# weight of an 8 is larger than that of a 3, and down where it is smaller. The classifier reads this
# 3 right at first, and as an 8 in the end.

step = torch.tensor(np.sign(fitted.coef_[8] - fitted.coef_[3]), dtype=torch.float32).view(
    1, 1, 8, 8
)
_, row = plt.subplots(1, 4, figsize=(10, 3))
for size, axes in zip((0, 0.1, 0.2, 0.3), row, strict=True):
    changed = (three + size * step).clamp(0, 1)
    (best,) = on_pixels.predict(changed, 1)
    axes.imshow(changed[0, 0], cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"{best.label}: {best.probability:.0%}\npixels changed by {size}")
    axes.axis("off")

threes = unknown[right]
fooled = fitted.predict((threes + 0.25 * step.numpy().reshape(1, -1)).clip(0, 1)) != 3
print(f"fooled by a change of 0.25: {fooled.mean():.0%} of the {len(threes)} threes it read right")

# %%
# The same kind of classifier on the HOG of the enlarged digits sees edges. Its class images have
# strokes of the digit, many times over, and no particular brightness.

big = torch.nn.Upsample(scale_factor=8, mode="bilinear")
describe = torch.nn.Sequential(big, cs.HOG(cells_per_block=2))
with torch.no_grad():
    described = describe(torch.tensor(known, dtype=torch.float32).view(-1, 1, 8, 8)).numpy()
    others = describe(torch.tensor(unknown, dtype=torch.float32).view(-1, 1, 8, 8)).numpy()
fitted = LogisticRegression(max_iter=1000).fit(described, numbers)
print(f"accuracy with HOG: {fitted.score(others, answers):.1%}")

on_hog = torch.nn.Linear(described.shape[1], 10)
on_hog.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
on_hog.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
with_hog = cs.Network(
    torch.nn.Sequential(cs.HOG(cells_per_block=2), on_hog),
    mean=[0],
    std=[1],
    input_size=64,
    labels=[f"digit {number}" for number in range(10)],
)
cs.class_image(with_hog, target=("digit 0", "digit 3", "digit 7"), steps=200)
