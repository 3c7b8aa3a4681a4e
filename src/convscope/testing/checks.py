"""All checks, and the pytest marker that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from convscope.runs import Run
from convscope.testing import contract, declaration, effects, results
from convscope.testing.cases import (
    Case,
    Options,
    case,
)

if TYPE_CHECKING:
    from pytest import MarkDecorator

Check = Callable[[Case], None]
CHECKS: tuple[Check, ...] = tuple(
    value
    for module in (declaration, results, effects, contract)
    for name, value in vars(module).items()
    if name.startswith("check_")
)


def parametrize_with_checks(
    techniques: Iterable[str | Callable[..., Run]],
    options: Mapping[str, Options] | None = None,
) -> MarkDecorator:
    """Parametrize a pytest function by `case` and `check`: every technique with every check.

    Args:
        techniques: functions under `@technique`, or their names.
        options: for each technique by name, options with which it is quick.
    """
    import pytest  # which is not installed with convscope

    by_name = dict(options or {})
    named = [one if isinstance(one, str) else one.__name__ for one in techniques]
    cases = [case(name, by_name.get(name)) for name in named]
    pairs = [
        pytest.param(one, check, id=f"{one.technique.name}-{check.__name__.removeprefix('check_')}")
        for one in cases
        for check in CHECKS
    ]
    return pytest.mark.parametrize(("case", "check"), pairs)
