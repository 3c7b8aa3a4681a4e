"""
HOG twins
=========

Two pictures whose pixels hardly correlate, and whose histograms of oriented gradients (HOG) are
nearly the same.

**How to read it.** The twin has the large forms and colors of another photograph, and the edges of
the first one, whose light and dark change places from pixel to pixel as on a chessboard. HOG
compares the four neighbors of a pixel, which all have the same color of the chessboard, so it sees
the edges and no chessboard. Below each picture stand its histograms, as on the page of the glyphs.
The distance compares the two descriptors; 100 % is the distance between the two photographs.

**Its limits.** Seen from near, the strongest edges of the photograph show in its twin, as fine
patterns. The twin was made for these cells and blocks, and other cells see a larger difference. The
other photograph is faint, because HOG sees strong forms.

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
# All pairs of four photographs, each the photograph and the other one. Here 100 % is the mean
# distance of all pairs, so that all rows have the same measure.

from itertools import permutations

net = cs.load("hog", input_size=128)
names = ["chelsea", "coffee", "rocket", "astronaut"]
photographs = {name: cs.open_image(f"sample:{name}") for name in names}
described = {name: net.module(net.preprocess(photographs[name])) for name in names}
apart = {
    pair: float((described[pair[0]] - described[pair[1]]).norm()) for pair in permutations(names, 2)
}
mean = sum(apart.values()) / len(apart)
near = 0
for one, other in apart:
    numbers = cs.hog_twins(photographs[one], other=f"sample:{other}").result().summary
    distance = numbers["distance"] * apart[one, other] / mean
    print(
        f"{one:10} {other:10} distance {distance:5.1%}, correlation {numbers['correlation']:5.2f}"
    )
    near += distance < 0.05
print(f"{near} of {len(apart)} twins are nearer than 5 %")

# %%
# The twin again, described by cells of other sizes.

import torch

twin = torch.from_numpy(twins.result().image).permute(0, 3, 1, 2)
photograph = net.preprocess(cat)
for pixels in (4, 8, 16):
    hog = cs.HOG(pixels_per_cell=pixels)
    distance = (hog(twin) - hog(photograph)).norm() / hog(photograph).norm()
    print(f"cells of {pixels} pixels: root relative error {distance:.2f}")
