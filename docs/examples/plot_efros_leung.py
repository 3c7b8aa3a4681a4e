"""
Efros-Leung texture synthesis
=============================

A texture grown pixel by pixel, each copied from where the sample looks most alike.

**How to read it.** A good texture shows the elements of the sample, a brick or a blade of grass, in
an arrangement of its own. The map of sources has a color for the place in the sample that each
pixel comes from. An area of smooth color was copied in one piece. Where the map is made of dots,
neighboring pixels come from different places.

**Its limits.** The window has to be as large as the elements of the texture. A smaller one breaks
them, a larger one copies whole pieces of the sample. Where no neighborhood fits, growth may lose
its way and fill an area with one color or one repeated element. Nothing larger than the window is
known, so a hole across two things gets a border between them anywhere.

**Paper.** Efros and Leung 1999, `Texture Synthesis by Non-parametric Sampling
<https://doi.org/10.1109/ICCV.1999.790383>`__.
"""

from pathlib import Path

import skimage
import torch

import convscope as cs

pictures = Path(skimage.__file__).parent / "data"
brick = cs.open_image(pictures / "brick.png")
windows = (5, 11, 19)
walls = [
    cs.efros_leung(brick, window=side, order="scanline", sample_size=128).result()
    for side in windows
]
walls

# %%
# The same wall with windows of 5, 11 and 19 pixels. The smallest is narrower than a brick and
# breaks the pattern. The largest region that was copied in one piece grows with the window. A run
# is in a row or a column, and a region is connected:

for side, wall in zip(windows, walls, strict=True):
    copied = wall.summary
    print(f"window {side:2}: run {copied['longest_run']}, region {copied['largest_region']} pixels")

# %%
# In onion order the texture grows from 3 x 3 pixels outward. The pixel with the most known
# neighbors comes next. Once a part of the sample fits exactly, it is copied up to the sample's
# border: this is the large smooth area of the map.

gravel = cs.open_image(pictures / "gravel.png")
cs.efros_leung(gravel, sample_size=128, show="sources")

# %%
# A texture in color: the wood beside a cup of coffee.

wood = cs.open_image("sample:coffee")[..., 60:220, 490:600]
cs.efros_leung(wood, order="scanline", sample_size=128, show="sources")

# %%
# A hole in a photograph is filled from its edge inward. The mask is white, or true, where a rocket
# stands. It may also be the path of an image. The sky closes, with a faint line where growth from
# both sides meets. At the foot of the rocket, where sky, clouds and lamps come together, growth
# makes shapes that nobody would mistake for a photograph.

photo = cs.open_image("sample:rocket")
mask = torch.zeros(photo.shape[-2:], dtype=torch.bool)
mask[105:400, 290:360] = True
filled = cs.efros_leung(photo, mask=mask, limit=8192).result()
filled

# %%
# Outside the mask, every pixel is that of the photograph:

same = torch.tensor(filled.image)[0].permute(2, 0, 1) == photo[0]
print(bool(same[:, ~mask].all()))
