"""Finds the state dicts in what a checkpoint holds, under whatever name its program gave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.network.checkpoints.stored import Damaged, Foreign, Stored, Unusable, members

DEEPEST = 4
MOST_NAMES, LONGEST_NAME = 1_000_000, 2000
MOST_HIDDEN = 64  # buffers of one module that are not saved

# What wrappers put into the names of what they wrap: torch.compile, FSDP, activation
# checkpointing, Lightning Fabric.
_WRAPPERS = {
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
}

Tensors = Mapping[str, Stored | Unusable]


@dataclass(frozen=True)
class State:
    """A state dict in a checkpoint.

    Attributes:
        place: the names that lead to it, with dots between them; "" for the file's own.
        tensors: its tensors by name.
        module: the class of the module that was saved whole; "" for a state dict.
    """

    place: str
    tensors: Tensors
    module: str = ""


def states(values: Any) -> list[State]:
    """All state dicts in what a file holds, the outer ones first.

    Raises:
        Damaged: the file repeats parts of itself so often that to list them would not end.
    """
    search, found = _Search(), []
    seen, open_ = {id(values)}, [("", values)]
    for _ in range(DEEPEST):
        inner = []
        for place, value in open_:
            state = search.state(place, value)
            if state is not None:
                found.append(state)
            if _is_module(value):
                continue
            for name, one in members(value).items():
                nested = isinstance(one, dict | Foreign) or (place == "" and isinstance(one, list))
                if nested and id(one) not in seen:
                    seen.add(id(one))
                    inner.append((search.joined(f"{place}.", name).removeprefix("."), one))
        open_ = inner
    return found


def under(found: Sequence[State], place: str) -> list[State]:
    """The state dicts at a place, and those whose names begin with it."""
    if not place:
        return list(found)
    chosen = []
    for state in found:
        inside = f"{place}.".removeprefix(f"{state.place}." if state.place else "")
        if f"{state.place}.".startswith(f"{place}."):
            chosen.append(state)
            continue
        tensors = {
            name.removeprefix(inside): one
            for name, one in state.tensors.items()
            if name.startswith(inside)
        }
        if tensors:
            chosen.append(State(place, tensors, state.module))
    return chosen


class _Search:
    """Lists names, and stops where a file repeats its parts without end."""

    def __init__(self) -> None:
        self.left = MOST_NAMES

    def joined(self, prefix: str, name: object) -> str:
        self.left -= 1
        text = f"{prefix}{name}" if isinstance(name, str | int) else prefix
        if self.left < 0 or len(text) > LONGEST_NAME:
            raise Damaged("it holds far more than weights")
        return text

    def state(self, place: str, value: Any) -> State | None:
        module = value.kind if _is_module(value) else ""
        found = self.of_module(value) if module else members(value).items()
        tensors = {
            self.joined("", name): one
            for name, one in found
            if isinstance(name, str) and isinstance(one, Stored | Unusable)
        }
        return State(place, _without_wrappers(tensors), module) if tensors else None

    def of_module(self, module: Foreign) -> Iterator[tuple[str, Any]]:
        """The state dict of a module that was saved whole."""
        open_: list[tuple[str, Any, tuple[int, ...]]] = [("", module, ())]
        while open_:
            prefix, part, outer = open_.pop()
            inside = members(part)
            hidden = inside.get("_non_persistent_buffers_set")
            hidden = hidden[:MOST_HIDDEN] if isinstance(hidden, list) else []
            for kind in ("_parameters", "_buffers"):
                for name, value in members(inside.get(kind)).items():
                    if name not in hidden:
                        yield self.joined(prefix, name), value
            if id(part) not in outer:  # it may be in several places, but not inside itself
                children = members(inside.get("_modules")).items()
                path = (*outer, id(part))
                open_ += [(f"{self.joined(prefix, name)}.", one, path) for name, one in children]


def _without_wrappers(tensors: Tensors) -> Tensors:
    """The same tensors, by names without the parts that wrappers put in."""
    if not any(wrapper in name for name in tensors for wrapper in _WRAPPERS):
        return tensors
    plain = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): one
        for name, one in tensors.items()
    }
    return plain if len(plain) == len(tensors) else tensors


def _is_module(value: Any) -> bool:
    """Whether this is a `torch.nn.Module` that was saved whole."""
    return isinstance(value, Foreign) and value.members.keys() >= {"_parameters", "_modules"}
