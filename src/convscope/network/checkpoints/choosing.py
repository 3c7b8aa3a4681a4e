"""Chooses the weights that a module gets from all that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from torch import nn

from convscope.errors import ConvscopeError, short
from convscope.network.checkpoints.explaining import does_not_fit, listed, too_much
from convscope.network.checkpoints.fitting import Fit, fits
from convscope.network.checkpoints.states import State
from convscope.network.checkpoints.stored import Stored


@dataclass(frozen=True)
class Classes:
    """How a network is built for another number of classes.

    Attributes:
        count: the number that it is built for.
        rebuild: the module for another number.
    """

    count: int
    rebuild: Callable[[int], nn.Module]


@dataclass(frozen=True)
class Chosen:
    """Weights that fit, the module that they fit, and what was assumed or left out."""

    fit: Fit
    module: nn.Module
    classes: int | None
    notes: tuple[str, ...] = ()


def choose(
    file: str,
    found: Sequence[State],
    module: nn.Module,
    classes: Classes | None = None,
    architecture: str = "",
) -> Chosen:
    """The weights for a module.

    Args:
        file: the checkpoint's name, for messages.
        found: the state dicts of the checkpoint.
        module: gets them.
        classes: how the module is built for another number of classes, if that is known.
        architecture: what the training program called the network, for messages.

    Raises:
        ConvscopeError: none fit, or several do.
    """
    tried = fits(found, module)
    chosen = _of_complete(file, tried, module, None if classes is None else classes.count)
    if chosen is None and classes is not None:
        chosen = _other_count(file, found, tried, classes)
        chosen = chosen or _other_head(file, tried, classes)
    if chosen is None:
        raise ConvscopeError(does_not_fit(file, tried, architecture))
    return chosen


def _of_complete(
    file: str, tried: Sequence[Fit], module: nn.Module, count: int | None
) -> Chosen | None:
    complete = [fit for fit in tried if fit.complete]
    clean = [fit for fit in complete if not fit.may_be_layers(fit.others(complete))]
    if not clean and complete:
        first = complete[0]
        raise ConvscopeError(too_much(file, first, first.may_be_layers(first.others(complete))))
    if not clean:
        return None
    different = list({tuple(fit.found.values()): fit for fit in reversed(clean)}.values())[::-1]
    plain = [fit for fit in different if not fit.averaged] or different
    if len(plain) > 1:
        places = [fit.place for fit in plain if fit.place]
        raise ConvscopeError(
            f"{file} holds several sets of weights that fit, under {listed(places)}: choose one of"
            f" them, as in {file}:{places[0]}"
        )
    return Chosen(plain[0], module, count, _notes(file, plain[0], different, complete))


def _notes(
    file: str, fit: Fit, fitting: Sequence[Fit], complete: Collection[Fit]
) -> tuple[str, ...]:
    notes = []
    averages = [other.place for other in fitting if other is not fit]
    if averages:
        notes.append(
            f"the weights are those under {fit.place!r} in {file}; {file}:{averages[0]} loads"
            " the averages in it"
        )
    elif fit.averaged:
        notes.append(f"the weights are those under {fit.place!r} in {file}, which are averages")
    left_out = fit.others(complete)
    if left_out:
        notes.append(f"left out of {file}, as the network does not have it: {listed(left_out)}")
    if fit.state.module:
        notes.append(
            f"{file} holds a whole module ({short(fit.state.module)}); its weights are used"
        )
    return tuple(notes)


# ----------------------------------------------------------------------------- heads


def _other_count(
    file: str, found: Sequence[State], tried: Sequence[Fit], classes: Classes
) -> Chosen | None:
    """The weights for the module with another number of classes, if only its head differs."""
    for fit in tried:
        count = _count(fit, classes.count)
        if count is not None:
            module = classes.rebuild(count)
            return _of_complete(file, fits(found, module), module, count)
    return None


def _count(fit: Fit, before: int) -> int | None:
    """How many classes a state dict has, if its shapes differ from the module's in that alone."""
    counts = set()
    for name, shape in fit.other_shapes.items():
        ours = tuple(fit.wanted[name].shape)
        if len(ours) != len(shape) or ours[1:] != shape[1:] or ours[0] % before:
            return None
        count, rest = divmod(shape[0], ours[0] // before)  # of a detector, once for each anchor
        counts.add(0 if rest else count)
    return counts.pop() if len(counts) == 1 and 0 not in counts and not fit.missing else None


def _other_head(file: str, tried: Sequence[Fit], classes: Classes) -> Chosen | None:
    """The weights for a module whose head has other names in the checkpoint.

    That is so if the head was put into an `nn.Sequential`, behind a dropout, or beside the network.
    """
    other = classes.rebuild(classes.count + 1).state_dict()
    for fit in tried:
        head = [name for name, value in fit.wanted.items() if value.shape != other[name].shape]
        pair = _pair(fit)
        if sorted(head) == sorted(fit.missing) and len(head) == len(pair):
            return _with_head(file, fit, head, pair, classes)
    return None


def _with_head(
    file: str, fit: Fit, head: Sequence[str], pair: Sequence[str], classes: Classes
) -> Chosen | None:
    """The weights with those of a pair of names as the module's head."""
    names = dict(zip(pair, (f"{fit.prefix}{name}" for name in head), strict=True))
    tensors = {names.get(name, name): one for name, one in fit.state.tensors.items()}
    state = replace(fit.state, tensors=tensors)
    weight = state.tensors[f"{fit.prefix}{head[0]}"]
    if not isinstance(weight, Stored) or weight.shape[1:] != fit.wanted[head[0]].shape[1:]:
        return None
    count = weight.shape[0]
    module = classes.rebuild(count)
    chosen = _of_complete(file, fits([state], module), module, count)
    note = (
        f"the classifier of {file} is taken to be {listed(pair)}, with nothing but a dropout"
        " between it and the features"
    )
    return chosen and replace(chosen, notes=(*chosen.notes, note))


def _pair(fit: Fit) -> list[str]:
    """The weight and the bias of the only other layer there; empty if there are more."""
    layers = {name.rpartition(".")[0] for name in fit.may_be_layers(fit.others())}
    if len(layers) != 1:
        return []
    names = [f"{layer}.{name}".removeprefix(".") for layer in layers for name in ("weight", "bias")]
    return [name for name in names if name in fit.state.tensors]
