"""What every word of a recipe is: a value whose arguments are checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from convscope.errors import invalid


class Word:
    """A word of a recipe. Subclasses are frozen dataclasses.

    The annotations of the fields declare types, bounds and descriptions once, for Python, for text
    and for the documentation: `lr: Annotated[float, Field(gt=0, description="...")]`.
    """

    def __post_init__(self) -> None:
        check_fields(self, type(self).__name__)


def check_fields(value: object, name: str) -> None:
    """Check the fields of a dataclass against their annotations.

    Afterwards a list is a tuple, a NumPy number is one of Python, and an integer is a float where
    the field is a float.

    Args:
        value: an instance of the dataclass.
        name: what an error message calls it.

    Raises:
        ConvscopeError: a field has the wrong type or is out of bounds.
    """
    word: Any = type(value)
    given = {field: _plain(one) for field, one in vars(value).items()}
    try:
        checked = model(word)(**given)
    except ValidationError as error:
        raise invalid(name, error) from error
    for field, one in vars(checked).items():
        object.__setattr__(value, field, one)


def arguments(word: type) -> Mapping[str, FieldInfo]:
    """The fields of a dataclass, with their bounds and descriptions."""
    return model(word).model_fields


@cache
def model(word: type) -> type[BaseModel]:
    """The fields of a dataclass as a pydantic model."""
    hints = get_type_hints(word, include_extras=True)
    entries: dict[str, Any] = {
        f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(word)
    }
    config = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)
    return create_model(word.__name__, __config__=config, **entries)


def _plain(value: object) -> object:
    if type(value) in (list, tuple):
        return tuple(map(_plain, value))  # type: ignore[call-overload]
    return value.item() if isinstance(value, np.generic) else value
