"""How a technique's signature and options read in `help` and in a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from convscope.runs.result import RESULTS
from convscope.runs.run import Run
from convscope.types import Frame

_BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
_ARGUMENTS = {
    "net": "the network",
    "image": "the photograph, (N, 3, H, W), RGB in [0, 1]",
}


def readable(function: Callable[..., Any]) -> inspect.Signature:
    """A technique's signature with plain types, without bounds and descriptions."""
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    frame, _ = frame_and_summary(function)
    run: Any = Run
    return signature.replace(parameters=parameters, return_annotation=run[RESULTS[frame]])


def frame_and_summary(function: Callable[..., Any]) -> tuple[type[Frame[Any]], Any]:
    """What a technique's return annotation names: of `Iterator[Frame[S]]`, `Frame` and `S`.

    The second is None if the annotation names no type of summary.
    """
    (frame,) = get_args(get_type_hints(function)["return"])
    return get_origin(frame) or frame, next(iter(get_args(frame)), None)


def docstring(function: Callable[..., Any], model: type[BaseModel], reference: str) -> str:
    """A technique's docstring, followed by all arguments, with their bounds and defaults.

    Args:
        function: the technique.
        model: its options.
        reference: its paper.
    """
    return "\n".join(
        [
            inspect.getdoc(function) or "",
            "\nArgs:",
            *(f"    {line}" for line in _arguments(function, model)),
            "\nReturns:",
            "    A run. Iterate over it for live results, or ask for its `result()`.",
            "\nReferences:",
            f"    {reference}",
        ]
    )


def _arguments(function: Callable[..., Any], model: type[BaseModel]) -> Iterator[str]:
    for name in inspect.signature(function).parameters:
        if name in model.model_fields:
            field = model.model_fields[name]
            yield f"{name}: {field.description} ({'; '.join(limits(field))})"
        else:
            yield f"{name}: {_ARGUMENTS.get(name, 'an input')}"


def limits(field: FieldInfo) -> list[str]:
    """The values that an option may have, and its default."""
    found = [
        text.format(f"{value:g}" if value < 1e7 else value)
        for bound in field.metadata
        for key, text in _BOUNDS.items()
        if (value := getattr(bound, key, None)) is not None and value < 2**62
    ]
    choices = [repr(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    found += [" or ".join(choices)] if choices else []
    return [*found, "required" if field.is_required() else f"default: {field.default!r}"]
