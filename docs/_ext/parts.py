"""The collection of the pages: parts of photographs that come with scikit-image, scikit-learn and
matplotlib, in folders that are called after them."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import matplotlib as mpl
import skimage
import sklearn.datasets
from PIL import Image

PARTS = 24
FOLDER = Path(__file__).parents[1] / "generated" / "parts"


def photographs() -> Path:
    """The folder, made when it is first asked for."""
    for file in _originals():
        place = FOLDER / file.stem.removesuffix("_left").replace("_", " ")
        if place.is_dir():
            continue
        place.mkdir(parents=True)
        photo = Image.open(file).convert("RGB")
        chance = random.Random(file.stem)
        for i in range(PARTS):
            side = round(min(photo.size) * chance.choice((0.35, 0.5, 0.7)))
            left, top = (chance.randint(0, whole - side) for whole in photo.size)
            part = photo.crop((left, top, left + side, top + side))
            part.thumbnail((320, 320))
            part.save(place / f"{i:02}.jpg", quality=92)
    return FOLDER


def clear() -> Path:
    """A folder of the parts that show one large object: a cat, a cup or a motorcycle."""
    folder = FOLDER.with_name("clear")
    for name in ("chelsea", "coffee", "motorcycle"):
        for file in sorted((photographs() / name).iterdir()):
            folder.mkdir(exist_ok=True)
            shutil.copyfile(file, folder / f"{name} {file.name}")
    return folder


def _originals() -> list[Path]:
    data = Path(skimage.__file__).parent / "data"
    names = ("astronaut", "brick", "chelsea", "coffee", "grass", "gravel", "motorcycle_left")
    found = [data / f"{name}.png" for name in names]
    found += [data / "hubble_deep_field.jpg", data / "rocket.jpg", data / "retina.jpg"]
    images = Path(sklearn.datasets.__file__).parent / "images"
    found += [images / "china.jpg", images / "flower.jpg"]
    return [*found, Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"]
