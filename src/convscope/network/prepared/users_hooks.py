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
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any

from torch import Tensor, nn

from convscope.network.nested import children
from convscope.tensors import changes

Hook = Callable[..., Any]
_Place = tuple[nn.Module, str, int]  # a module, the name of its hooks, the number of one
_KINDS = ("_forward_pre_hooks", "_forward_hooks")


def act_on_copies(plain: nn.Module, memo: dict[int, Any]) -> None:
    """Let the hooks of a copied module act on copies.

    Args:
        plain: the copy. Its hooks are changed.
        memo: what `deepcopy` copied already, by the id of the original.
    """
    for (part, kind, key), hook in list(_hooks(plain)):
        getattr(part, kind)[key] = _on_copies(hook, memo)


class HooksWatch:
    """Finds out, in the first forward passes of a copy, which hooks change values."""

    def __init__(self, plain: nn.Module) -> None:
        self.plain, self.found = plain, dict(_hooks(plain))
        self.all = {(part, kind): dict(getattr(part, kind)) for part, kind, _ in self.found}
        self.watched = {place: _Watched(hook) for place, hook in self.found.items()}
        for (part, kind, key), hook in self.watched.items():
            getattr(part, kind)[key] = hook

    def keep_those_that_matter(self, same: Callable[[nn.Module], bool], notes: list[str]) -> None:
        """Remove the hooks that change no value.

        Args:
            same: runs the copy, and says whether its output is what it was with all the hooks.
            notes: says which hooks stay.
        """
        if not self.found:
            return
        self._set({p for p in self.found if self.watched[p].matters})
        if not same(self.plain):  # the module reads what a hook wrote down, for instance
            self._set(set(self.found))

        kept = [place for place in self.found if place[2] in getattr(place[0], place[1])]
        if kept:
            names = {part: name for name, part in self.plain.named_modules()}
            layers = ", ".join(sorted({repr(names[part]) for part, _, _ in kept}))
            notes.append(f"your hooks that change values run here too: on {layers}")

    def _set(self, kept: Set[_Place]) -> None:
        """Leave only these hooks and torch's own, in the order in which they were registered."""
        for (part, kind), hooks in self.all.items():
            getattr(part, kind).clear()
            for key, hook in hooks.items():
                watched = self.watched.get((part, kind, key))
                if watched is None:
                    getattr(part, kind)[key] = hook
                elif (part, kind, key) in kept:
                    getattr(part, kind)[key] = watched.unwatched()


def _hooks(plain: nn.Module) -> Iterator[tuple[_Place, Hook]]:
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
        self.hook, self.matters, self.overwrites = hook, False, False

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        own, given = _versions(_own(module)), _versions(_leaves(args))
        with contextlib.redirect_stdout(io.StringIO()):
            result = self.hook(module, *args)
        self.overwrites |= _versions(_leaves(args)) != given
        self.matters |= self.overwrites or result is not None or _versions(_own(module)) != own
        return result

    def unwatched(self) -> Hook:
        return _OnCopies(self.hook) if self.overwrites else self.hook


class _OnCopies:
    """A hook that changes its output in place, which would disturb a gradient: it gets a copy."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        *before, last = args
        mine = last.clone() if isinstance(last, Tensor) else last
        result = self.hook(module, *before, mine)
        return mine if result is None and isinstance(last, Tensor) else result


def _own(module: nn.Module) -> list[object]:
    return [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]


def _versions(values: Iterable[object]) -> list[tuple[int, int]]:
    """Which tensors there are, and how often each was changed in place."""
    return [(id(value), changes(value)) for value in values if isinstance(value, Tensor)]


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
