"""Networks that a user's own code makes: FILE.py:NAME, PACKAGE.MODULE:NAME and FILE.pt2.

To load one is to run code: that of the file, or what the pickles in an exported program name.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, described, unknown
from convscope.network._torchvision import torchvision
from convscope.network.network import Network
from convscope.network.sources.plugin_networks import Built
from convscope.network.sources.timm_networks import timm_settings
from convscope.system import quiet

_CODE = re.compile(r"(?P<file>.+\.py):(?P<name>\w+)|(?P<module>[A-Za-z_][\w.]*):(?P<function>\w+)")
_SETTINGS = ("mean", "std", "input_size")
_WEIGHTS = (".pt", ".pth", ".tar", ".ckpt", ".bin", ".safetensors")


def runs_code(name: str) -> bool:
    """Whether to load the network of that name is to run code that the name gives."""
    return _CODE.fullmatch(name) is not None or name.endswith(".pt2")


def resolved(name: str) -> str:
    """The same name, from whichever folder it is loaded."""
    found = _CODE.fullmatch(name)
    if name.endswith(".pt2"):
        return str(Path(name).resolve())
    if found and found["file"]:
        return f"{Path(found['file']).resolve()}:{found['name']}"
    return name


def check_is_name(name: str) -> None:
    """Fail if what should be a network's name is a file of weights, or one of code.

    Raises:
        ConvscopeError: it is. The message says what to give.
    """
    path = Path(name)
    if path.suffix == ".py":
        raise ConvscopeError(
            f"{name} is a file: say which function in it makes the network, as in {name}:make"
        )
    if path.suffix in _WEIGHTS:
        raise ConvscopeError(
            f"{name} is a file of weights: give the name of the network that they are for as the"
            f" model, and this file as the checkpoint (--model timm/NAME --checkpoint {name})"
        )


def own_network(name: str, given: Mapping[str, Any]) -> Built:
    """The module that own code makes, and the other arguments of its `Network`.

    Args:
        name: FILE.py:NAME, PACKAGE.MODULE:NAME or FILE.pt2. NAME is a module or a `Network`, or a
            function or class that makes one and takes no arguments. It may also return a module and
            a dict of settings.
        given: settings that the user gives.

    Raises:
        ConvscopeError: there is no such file or name, the code fails, or it makes something else.
            The message gives the line of the user's file.
    """
    made = _exported(Path(name)) if name.endswith(".pt2") else _made(name)
    settings: dict[str, Any] = {}
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], Mapping):
        made, settings = made[0], dict(made[1])
    if isinstance(made, Network):
        return made.module, {**made.settings, **settings}
    if isinstance(made, torch.export.ExportedProgram):
        settings = {**_sizes(made), **settings}
        made = made.module()
    if not isinstance(made, nn.Module):
        raise ConvscopeError(
            f"{name} gives {type(made).__name__}: it must give a torch.nn.Module or a"
            " convscope.Network"
        )
    if getattr(made, "pretrained_cfg", None):  # timm made it
        settings = {**timm_settings(made), **settings}
    missing = [word for word in _SETTINGS if word not in {**settings, **given}]
    if missing:
        options = ", ".join(f"--{word.replace('_', '-')}" for word in missing)
        raise ConvscopeError(
            f"{name} gives a module without {', '.join(missing)}: give {options}, or return"
            " convscope.Network(module, mean=..., std=..., input_size=...)"
        )
    return made, settings


# ----------------------------------------------------------------------------- Python


def _made(name: str) -> Any:
    found = _CODE.fullmatch(name)
    assert found is not None
    file, word = found["file"], found["name"] or found["function"]
    path = Path(file) if file else None
    if path is not None and not path.is_file():
        raise ConvscopeError(f"no file {path}")
    folder = path.resolve().parent if path else Path.cwd()
    torchvision()  # the code may import it, or timm
    with _importable(folder), _as_the_users(name, path):
        code = _executed(path) if path else importlib.import_module(found["module"])
        if not hasattr(code, word):
            names = [one for one in vars(code) if callable(getattr(code, one)) and one[0] != "_"]
            raise unknown("function", word, names, f"{file or found['module']} does not have it")
        made = getattr(code, word)
        return made if isinstance(made, nn.Module | Network) else made()


def _executed(path: Path) -> ModuleType:
    """The module of a file. Its classes can be pickled, as it is among the imported modules."""
    name = f"convscope_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[name] = code
    spec.loader.exec_module(code)
    return code


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let code import the modules beside it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the code may have taken it away
            sys.path.remove(str(folder))


@contextmanager
def _as_the_users(name: str, path: Path | None) -> Iterator[None]:
    """Turn what the user's code raises into one line with the place in the file."""
    try:
        yield
    except ConvscopeError:
        raise
    except SystemExit as error:
        raise ConvscopeError(f"{name}: the file ends the program ({error})") from error
    except Exception as error:  # a user's code may raise anything
        where = _line(error, path)
        raise ConvscopeError(f"{name}: {where}{described(error)} (--debug shows more)") from error


def _line(error: BaseException, path: Path | None) -> str:
    """The last line of the user's file that an error went through."""
    if path is None:
        return ""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"line {lines[-1]}: " if lines else ""


# ------------------------------------------------------------------ exported programs


def _exported(path: Path) -> torch.export.ExportedProgram:
    if not path.is_file():
        raise ConvscopeError(f"no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ConvscopeError(f"{path.name} is damaged: copy it again")
        with quiet():  # torch warns of its own code
            return torch.export.load(path)
    except ConvscopeError:
        raise
    except Exception as error:  # each version of torch has its own
        raise ConvscopeError(f"{path.name} is no exported program ({described(error)})") from error


def _sizes(program: torch.export.ExportedProgram) -> dict[str, Any]:
    """The size of the images, if the program takes one size."""
    names = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            *_, rows, columns = getattr(node.meta.get("val"), "shape", (None, None))
            if isinstance(rows, int) and isinstance(columns, int):
                return {"input_size": (rows, columns)}
    return {}
