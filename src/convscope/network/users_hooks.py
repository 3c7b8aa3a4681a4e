"""Forward hooks that a user registered on a module: only those that change values run in the copy.

A hook that appends to a list or prints is no part of what a network computes. Whether a hook is one
is found out in a forward pass of the copy. A hook of the copy never acts on what the user has: it
is a function of copies of all that the user's own hook can reach.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import types
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from convscope.network.nested import children

Hook = Callable[..., Any]
_KINDS = ("_forward_pre_hooks", "_forward_hooks")


def act_on_copies(plain: nn.Module, memo: dict[int, Any]) -> None:
    """Let the hooks of a copied module act on copies.

    Args:
        plain: the copy. Its hooks are changed.
        memo: what `deepcopy` copied already, by the id of the original.
    """
    for (part, kind, key), hook in list(_hooks(plain)):
        getattr(part, kind)[key] = _on_copies(hook, memo)


def keep_those_that_matter(
    plain: nn.Module, same: Callable[[nn.Module], bool], notes: list[str]
) -> None:
    """Remove the hooks of a copy that change no value.

    Args:
        plain: the copy. Its hooks are changed.
        same: runs the copy on an example, and says whether its output is what it was.
        notes: says what was kept.
    """
    found = dict(_hooks(plain))
    watched = {place: _Watched(hook) for place, hook in found.items()}
    if not found:
        return
    for (part, kind, key), hook in watched.items():
        getattr(part, kind)[key] = hook
    same(plain)
    idle = [place for place in found if not watched[place].matters]
    for part, kind, key in idle:
        del getattr(part, kind)[key]
    kept = set(found) - set(idle) if same(plain) else set(found)
    for part, kind, key in found:  # in their order, which hooks may rely on
        getattr(part, kind).pop(key, None)
        if (part, kind, key) in kept:
            getattr(part, kind)[key] = found[part, kind, key]
    if kept:
        names = {part: name for name, part in plain.named_modules()}
        layers = ", ".join(sorted({repr(names[part]) for part, _, _ in kept}))
        notes.append(f"your hooks that change values run here too: on {layers}")


def _hooks(plain: nn.Module) -> Iterator[tuple[tuple[nn.Module, str, int], Hook]]:
    """Every hook that is not torch's own, with its place."""
    for part in plain.modules():
        for kind in _KINDS:
            for key, hook in getattr(part, kind).items():
                module = getattr(hook, "__module__", None) or type(hook).__module__
                if not module.startswith("torch."):
                    yield (part, kind, key), hook


class _Watched:
    """A hook that is watched: does it change what its module works with?"""

    def __init__(self, hook: Hook) -> None:
        self.hook, self.matters = hook, False

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        before = _state(module, args)
        with contextlib.redirect_stdout(io.StringIO()):
            result = self.hook(module, *args)
        self.matters |= result is not None or _state(module, args) != before
        return result


def _state(module: nn.Module, args: Any) -> list[tuple[int, int]]:
    """Which tensors a module has and is given, and how often each was changed in place."""
    own = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
    return [(id(t), t._version) for t in [*own, *_leaves(args)] if isinstance(t, Tensor)]


def _leaves(value: object) -> list[object]:
    inside = children(value)
    return [value] if inside is None else [v for one in inside.values() for v in _leaves(one)]


def _on_copies(hook: Any, memo: dict[int, Any]) -> Any:
    """The same function, of copies of the lists, modules and other values that it reaches.

    Bound methods and callable objects were copied together with the module.
    """
    if id(hook) in memo:
        return memo[id(hook)]
    if isinstance(hook, functools.partial):
        return functools.partial(_on_copies(hook.func, memo), *hook.args, **hook.keywords)
    if not isinstance(hook, types.FunctionType):
        return hook
    reached = {n: v for n, v in hook.__globals__.items() if n in hook.__code__.co_names}
    mutable = {n: v for n, v in reached.items() if isinstance(v, list | dict | set | nn.Module)}
    cells = tuple(types.CellType() for _ in hook.__closure__ or ())
    twin = types.FunctionType(hook.__code__, dict(hook.__globals__), hook.__name__, None, cells)
    memo[id(hook)] = twin  # before the copies: the function may reach itself
    twin.__globals__.update({name: _copied(value, memo) for name, value in mutable.items()})
    twin.__defaults__ = hook.__defaults__ and tuple(_copied(v, memo) for v in hook.__defaults__)
    if hook.__kwdefaults__:
        twin.__kwdefaults__ = {n: _copied(v, memo) for n, v in hook.__kwdefaults__.items()}
    for cell, original in zip(cells, hook.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a variable without a value as yet
            cell.cell_contents = _copied(original.cell_contents, memo)
    return twin


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, types.FunctionType | functools.partial):
        return _on_copies(value, memo)
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a value's own code may raise anything
        return value
