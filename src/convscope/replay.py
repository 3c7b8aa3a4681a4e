"""Makes a picture again from the provenance that it carries.

The picture may come from a stranger. So nothing that its provenance names is opened without
consent, but for the networks and photographs that come with convscope.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from convscope.errors import ConvscopeError, short
from convscope.files import images, read_provenance
from convscope.network import Network, Source, arguments, comes_along, load
from convscope.plugins import package
from convscope.runs import (
    ASCEND,
    Options,
    Run,
    ascend,
    catalog,
    foreign_parts,
    named_files,
    named_networks,
    options,
    registry,
)
from convscope.trust import check

# More than any picture of convscope's has; a target may be one of a thousand classes.
DEEPEST, LONGEST_LIST, LARGEST_NUMBER = 20, 1000, 2.0**63

FEW = 4  # names in a message


class _Network(Source):
    own: bool = False


class _Photo(BaseModel):
    path: str
    sha256: str


class _Provenance(BaseModel):
    """The parts of `Run.provenance` that are needed to run again."""

    technique: str
    parameters: dict[str, Any]
    checked: Annotated[int, Field(ge=0, lt=2**63)] | None = None  # the seed of the check
    network: _Network | None  # None where all was in an index
    device: str
    image: _Photo | None
    takes_image: bool


def remake(
    picture: str | os.PathLike[str],
    *,
    image: str | None = None,
    model: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    device: str | None = None,
    trust: bool = False,
) -> Run:
    """The run that a saved picture came from; nothing is computed yet.

    Without your consent, this opens no file, network or package that the picture names. Networks
    and photographs that come with convscope need none.

    Args:
        picture: a file that `Result.save` or the command line wrote.
        image: the path of the photograph. It has to be the one that the picture names.
        model: the name of the network.
        checkpoint: the path of its weights.
        device: the device; if not given, the one that made the picture. The same device gives the
            same picture bit for bit.
        trust: whether to open everything else that the picture names.

    Raises:
        ConvscopeError: the picture carries no provenance, names something that you have not agreed
            to, its network or its photograph cannot be found, or one of them is another one.
    """
    name = Path(picture).name
    provenance = _read(picture)
    own = provenance.network.name if provenance.network and provenance.network.own else None
    if own is not None and model is None:
        raise ConvscopeError(
            f"{name} was made with a network of your own ({own}), which its recipe cannot load; run"
            " the technique in Python"
        )
    if not trust:
        _check_consent(name, provenance, image, model, checkpoint)
    begin = _ascend if provenance.technique == ASCEND else _technique
    photo = _photo(provenance, name, image) if provenance.takes_image else None
    given = {"name": model, "checkpoint": checkpoint}
    net = None
    if provenance.network is not None:
        net = _load(provenance.network, name, given, device or provenance.device)
    run = begin(provenance, net, photo)
    return run if provenance.checked is None else check(run, seed=provenance.checked)


def _load(network: _Network, name: str, given: Mapping[str, Any], device: str) -> Network:
    """The network of a picture, from what is given or else from what the picture names."""
    source = arguments(network.model_dump(exclude={"own"}))
    source |= {word: value for word, value in given.items() if value is not None}
    net = load(**source, device=device)
    now = (net.source or {}).get("checkpoint_sha256")
    if network.checkpoint_sha256 not in (None, now):
        raise ConvscopeError(
            f"{source['checkpoint']} is not, or no longer, the checkpoint that {name} was made with"
        )
    return net


# ------------------------------------------------------------------------------ what is read


def _read(picture: str | os.PathLike[str]) -> _Provenance:
    name = Path(picture).name
    found = read_provenance(picture)
    if "video" in found:
        raise ConvscopeError(f"{name} is a whole video; run its technique on the first one again")
    try:
        provenance = _Provenance.model_validate(found)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ConvscopeError(f"the recipe of {name} is damaged, at {short(where)}") from error
    try:
        _check_bounds(provenance.parameters)
    except ValueError as error:
        raise ConvscopeError(f"the recipe of {name} is not one of convscope's: {error}") from error
    return provenance


def _check_bounds(value: object, depth: int = 0) -> None:
    """Fail before anything runs that would not end. Each technique has narrower bounds."""
    if depth > DEEPEST:
        raise ValueError("its lists are too deep")
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:  # true for NaN
        raise ValueError(f"it has the number {short(value)}")
    if isinstance(value, list | dict):
        if len(value) > LONGEST_LIST:
            raise ValueError(f"it has a list of {len(value):,} values")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_bounds(inner, depth + 1)


# ------------------------------------------------------------------------------ what is opened


def _check_consent(
    name: str,
    provenance: _Provenance,
    image: str | None,
    model: str | None,
    checkpoint: str | os.PathLike[str] | None,
) -> None:
    """Fail if a picture names what nobody has agreed to. Looks at no file."""
    network, photo = provenance.network, provenance.image
    by_option: dict[str, str] = {}
    if provenance.takes_image and image is None and photo and not _is_sample(photo.path):
        by_option["--image"] = f"the photograph {short(photo.path)}"
    if network and model is None and not comes_along(network.name):
        by_option["--model"] = f"the network {short(network.name)}"
    if network and checkpoint is None and network.checkpoint is not None:
        by_option["--checkpoint"] = f"the weights {short(network.checkpoint)}"
    others = list(dict.fromkeys(_others(provenance)))
    named = [*by_option.values(), *others[:FEW]]
    if len(others) > FEW:
        named.append(f"{len(others) - FEW} more")
    if named:
        it = "it" if len(named) == 1 else "them"
        again = "" if others else f", or name {it} again with {' and '.join(by_option)}"
        raise ConvscopeError(
            f"{name} names {', '.join(named)}; if you trust the picture, give --trust (in Python,"
            f" trust=True){again}"
        )


def _others(provenance: _Provenance) -> Iterator[str]:
    """What the options of a picture name: packages, then files, then networks."""
    if provenance.technique == ASCEND:
        texts = provenance.parameters.get("recipe")
        yield from foreign_parts(texts) if isinstance(texts, dict) else ()
        return
    entry = catalog.techniques().get(provenance.technique)
    if entry and entry.point:
        yield f"the package {package(entry.point)}"
    if entry and not entry.point:
        model = registry.get(provenance.technique).model
        for file in named_files(model, provenance.parameters):
            yield f"the path {short(file)}"
        for network in named_networks(model, provenance.parameters):
            if not comes_along(network):
                yield f"the network {short(network)}"


def _is_sample(path: str) -> bool:
    return path.startswith(images.SAMPLE_PREFIX)


# ------------------------------------------------------------------------------ what is run


def _technique(provenance: _Provenance, net: Network | None, photo: Tensor | None) -> Run:
    technique = registry.get(provenance.technique)
    return technique.run(net, photo, **technique.validate(provenance.parameters))


def _ascend(provenance: _Provenance, net: Network | None, photo: Tensor | None) -> Run:
    if net is None:
        raise ConvscopeError("a recipe needs a network, and the picture names none")
    return ascend(net, image=photo, **options.validated(ASCEND, Options, provenance.parameters))


def _photo(provenance: _Provenance, name: str, path: str | None) -> Tensor:
    known = provenance.image
    where = known.path if path is None and known else path
    if where is None:
        raise ConvscopeError(f"{name} does not know its photograph; give --image")
    try:
        photo = images.open_image(where)
    except ConvscopeError as error:
        hint = "; if the photograph lies elsewhere, give --image" if path is None else ""
        raise ConvscopeError(f"{error}{hint}") from error
    found = images.source(photo)
    if known and found and found["sha256"] != known.sha256:
        raise ConvscopeError(
            f"{found['path']} is not, or no longer, the photograph that {name} was made from"
        )
    return photo
