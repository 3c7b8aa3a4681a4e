"""
HOG twins
=========

A picture of one thing whose histograms of oriented gradients (HOG) are nearly those of another.

**How to read it.** The upper pictures differ for a person and in their pixels. Below each stand its
histograms, as on the page of the glyphs. The distance compares the two descriptors; 100 % is the
distance from the photograph to the one that the twin looks like.

**Its limits.** The twin was made for these cells and blocks. Other sizes of cells tell the two
apart. It shows that HOG can be fooled, and not how often it is.

**Paper.** Vondrick, Khosla, Malisiewicz and Torralba 2013, `HOGgles: Visualizing Object Detection
Features <https://arxiv.org/abs/1502.05461>`__, shows other pictures that HOG cannot tell apart.
"""

import convscope as cs

cat = cs.open_image("sample:chelsea")
twins = cs.hog_twins(cat)
twins

# %%
# The numbers of the picture:

for name, value in twins.result().summary.items():
    print(f"{name:18} {value:.3f}")

# %%
# The twin again, described by cells of other sizes: what was nearly the same is not so any more.

import torch

twin = torch.from_numpy(twins.result().image).permute(0, 3, 1, 2)
photograph = cs.load("hog", input_size=128).preprocess(cat)
for pixels in (4, 8, 16):
    hog = cs.HOG(pixels_per_cell=pixels)
    distance = (hog(twin) - hog(photograph)).norm() / hog(photograph).norm()
    print(f"cells of {pixels} pixels: root relative error {distance:.2f}")
