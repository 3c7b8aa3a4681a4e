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
# A person is removed from a photograph. The mask is white, or true, where he stands with his
# camera. It may also be the path of an image.

import numpy as np
from PIL import Image, ImageDraw

photo = torch.nn.functional.avg_pool2d(cs.open_image(pictures / "camera.png"), 2)
drawing = Image.new("1", (256, 256))
draw = ImageDraw.Draw(drawing)
outline = "0 120 10 105 22 85 42 66 62 57 76 50 80 37 100 27 122 31 138 47 140 65 165 65 171 92"
outline += " 167 110 156 125 156 140 140 157 110 157 75 195 80 256 0 256"
draw.polygon([*map(int, outline.split())], fill=1)
legs = [(147, 100, 147, 250), (142, 160, 117, 256), (138, 175, 126, 256), (152, 160, 204, 256)]
for line in [*legs, (147, 163, 172, 149), (115, 250, 150, 238, 197, 243), (125, 235, 150, 245)]:
    draw.line(line, fill=1, width=12)
draw.ellipse((135, 150, 160, 178), fill=1)
mask = torch.tensor(np.asarray(drawing))

# %%
# A hole is filled from its edge inward, with nothing known that is larger than the window. The
# technique does not know that the sky ends at the town and the town at the lawn. So each of these
# three parts of the picture is filled by itself. The second picture shows the hole. Nobody knows
# what stood behind the person: the houses there are made up, from pieces of those around.

parts = [(0, 83, 11), (83, 119, 13), (119, 256, 11)]
filled = [
    cs.efros_leung(
        photo[..., top:end, :], mask=mask[top:end], window=window, limit=4096, seed=2
    ).result()
    for top, end, window in parts
]
image = np.concatenate([one.image[0] for one in filled if one.image is not None])
seen = photo[0].permute(1, 2, 0).numpy()
hole = np.where(mask[..., None], 1, seen)
Image.fromarray((np.concatenate([seen, hole, image], axis=1) * 255).round().astype("uint8"))

# %%
# Outside the mask, every pixel is that of the photograph:

print((image == seen)[~mask.numpy()].all())
