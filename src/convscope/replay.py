"""Makes a picture again from the provenance that it carries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from torch import Tensor

from convscope.errors import ConvscopeError, short
from convscope.files import images, read_provenance
from convscope.network import Network, Source, arguments, load, runs_code
from convscope.runs import ASCEND, Options, Run, ascend, options, registry
from convscope.trust import check


class _Network(Source):
    own: bool = False


class _Photo(BaseModel):
    path: str
    sha256: str


class _Provenance(BaseModel):
    """The parts of `Run.provenance` that are needed to run again."""

    technique: str
    parameters: dict[str, Any]
    checked: int | None = None  # the seed of the check
    network: _Network
    device: str
    image: _Photo | None
    takes_image: bool


def remake(
    picture: str | os.PathLike[str], *, image: str | None = None, device: str | None = None
) -> Run:
    """The run that a saved picture came from; nothing is computed yet.

    Args:
        picture: a file that `Result.save` or the command line wrote.
        image: the path of the photograph, if it has moved.
        device: the device; if not given, the one that made the picture. The same device gives the
            same picture bit for bit.

    Raises:
        ConvscopeError: the picture carries no provenance, its network or its photograph cannot be
            found, or the photograph is another one.
    """
    name = Path(picture).name
    try:
        provenance = _Provenance.model_validate(read_provenance(picture))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ConvscopeError(f"the recipe of {name} is damaged, at {where!r}") from error
    network = provenance.network
    if network.own:
        raise ConvscopeError(
            f"{name} was made with a network of your own ({network.name}), which its recipe"
            " cannot load; run the technique in Python"
        )
    if runs_code(network.name):
        raise ConvscopeError(
            f"{name} was made with code ({short(network.name)}), which replay does not run; run the"
            " technique with that --model"
        )
    ascended = provenance.technique == ASCEND
    begin = _ascend if ascended else registry.get(provenance.technique).run
    photo = _photo(provenance, name, image) if provenance.takes_image else None
    net = load(**arguments(network.model_dump()), device=device or provenance.device)
    now = (net.source or {}).get("checkpoint_sha256")
    if network.checkpoint_sha256 not in (None, now):
        raise ConvscopeError(
            f"{network.checkpoint} is not, or no longer, the checkpoint that {name} was made with"
        )
    run = begin(net, photo, **provenance.parameters)
    return run if provenance.checked is None else check(run, seed=provenance.checked)


def _ascend(net: Network, photo: Tensor | None, **parameters: Any) -> Run:
    return ascend(net, image=photo, **options.validated(ASCEND, Options, parameters))


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
