"""Making a picture again from the recipe that it carries."""

from __future__ import annotations

import os
from pathlib import Path

from convscope import images, registry
from convscope.errors import ConvscopeError
from convscope.run import Run
from convscope.zoo import load


def remake(
    picture: str | os.PathLike[str], *, image: str | None = None, device: str | None = None
) -> Run:
    """The run that a saved picture came from, ready to run again.

    Args:
        picture: a file that `Result.save` or the command line wrote.
        image: the photograph, if it is not where it was.
        device: another device than then; the same one gives the same picture bit for bit.

    Raises:
        ConvscopeError: no recipe, a network or photograph that it does not know, or another photo.
    """
    recipe = images.read_recipe(picture)
    name = Path(picture).name
    network = recipe["network"]
    if network.get("own"):
        raise ConvscopeError(
            f"{name} was made with a network of your own ({network['name']}), which its recipe"
            " cannot load; run the technique in Python"
        )
    photo = None
    if recipe["takes_image"]:
        known = recipe["image"]
        if image is None and known is None:
            raise ConvscopeError(f"{name} does not know its photograph; give --image")
        photo = images.open_image(known["path"] if image is None else image)
        found = images.source(photo)
        if known and found and found["sha256"] != known["sha256"]:
            raise ConvscopeError(
                f"{found['path']} is no longer the photograph that {name} was made from"
            )
    net = load(
        network["name"],
        pretrained=network["pretrained"],
        checkpoint=network["checkpoint"],
        device=device or recipe["device"],
    )
    return registry.get(recipe["technique"]).run(net, photo, **recipe["parameters"])
