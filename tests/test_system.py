"""Work in parts: what is done again, and smaller, where memory does not suffice."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

import convscope as cs
from convscope.system import batched

ERRORS: dict[str, Callable[[], Exception]] = {
    "GPU": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory:"
        " you tried to allocate 40000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "Python": MemoryError,
}


def ranges(parts: list[list[tuple[slice, list[int]]]]) -> list[list[tuple[int, int]]]:
    return [[(part.start, part.stop) for part, _ in done] for done in parts]


@pytest.mark.parametrize(("count", "most"), [(1, 1), (7, 3), (6, 3), (3, 100), (5, 1)])
def test_all_items_once_and_in_order(count: int, most: int) -> None:
    items = list(range(count))
    parts = list(batched(count, most, lambda part: items[part]))
    assert len(parts) == -(-count // most)
    assert all(len(done) == 1 for done in parts)
    assert [item for done in parts for _, found in done for item in found] == items
    assert all(len(found) <= most for done in parts for _, found in done)


def test_no_items() -> None:
    assert list(batched(0, 4, lambda part: part)) == []


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("fits", [1, 2, 3, 5, 8])
def test_parts_are_halved_until_they_fit(kind: str, fits: int) -> None:
    """The number of parts, which is the number of frames, stays the same."""
    items, tried = list(range(21)), []

    def work(part: slice) -> list[int]:
        tried.append(part.stop - part.start)
        if tried[-1] > fits:
            raise ERRORS[kind]()
        return items[part]

    parts = list(batched(21, 8, work))
    assert len(parts) == 3
    assert [item for done in parts for _, found in done for item in found] == items
    assert all(
        (part.start, part.stop) == (found[0], found[-1] + 1) for d in parts for part, found in d
    )
    # What was too much once is not tried again.
    failures = [size for size in tried if size > fits]
    assert failures == sorted(set(failures), reverse=True)


def test_halves_by_hand() -> None:
    def work(part: slice) -> list[int]:
        if part.stop - part.start > 3:
            raise torch.OutOfMemoryError
        return []

    assert ranges(list(batched(10, 8, work))) == [[(0, 2), (2, 4), (4, 6), (6, 8)], [(8, 10)]]


@pytest.mark.parametrize(
    ("count", "fits", "expected"),
    [
        (8, 4, [[(0, 4)], [(4, 8)]]),
        (9, 4, [[(0, 4)], [(4, 8)], [(8, 12)]]),
        (3, 4, [[(0, 4)]]),
        (3, 1, [[(0, 1), (1, 2), (2, 3)]]),
        (7, 3, [[(0, 2), (2, 4)], [(4, 6), (6, 8)]]),
    ],
)
def test_full_parts_by_hand(count: int, fits: int, expected: list[list[tuple[int, int]]]) -> None:
    """All that fit are of one size, also where that takes more items than there are."""

    def work(part: slice) -> list[int]:
        if part.stop - part.start > fits:
            raise torch.OutOfMemoryError
        return []

    assert ranges(list(batched(count, 4, work, full=True))) == expected


@pytest.mark.parametrize("fits", [1, 2, 3, 4, 5])
def test_full_parts_take_every_item_once(fits: int) -> None:
    """Also where a half of an odd part goes beyond the part."""

    def work(part: slice) -> list[int]:
        if part.stop - part.start > fits:
            raise torch.OutOfMemoryError
        return list(range(12))[part]

    parts = list(batched(12, 5, work, full=True))
    assert len(parts) == 3
    assert [item for done in parts for _, found in done for item in found] == list(range(12))
    assert len({part.stop - part.start for done in parts for part, _ in done}) == 1


@pytest.mark.parametrize("kind", ERRORS)
def test_one_item_that_does_not_fit_is_an_error(kind: str) -> None:
    def work(part: slice) -> None:
        raise ERRORS[kind]()

    message = "there is not enough memory for a single image; use a smaller network"
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        list(batched(5, 4, work))
    assert "\n" not in str(raised.value)
    assert type(raised.value.__cause__) is type(ERRORS[kind]())


@pytest.mark.parametrize(
    "error", [RuntimeError("shape '[4]' is invalid"), ValueError("no"), cs.ConvscopeError("no")]
)
def test_other_errors_pass_at_once(error: Exception) -> None:
    calls = []

    def work(part: slice) -> None:
        calls.append(part)
        raise error

    with pytest.raises(type(error), match=re.escape(str(error))):
        list(batched(5, 4, work))
    assert len(calls) == 1


def test_what_torch_says_when_there_is_no_memory() -> None:
    """The words that are looked for are those of this version of torch."""
    sizes = []

    def work(part: slice) -> torch.Tensor:
        sizes.append(part.stop - part.start)
        return torch.empty(2**60 if sizes[-1] > 1 else 1)

    (done,) = batched(2, 2, work)
    assert sizes == [2, 1, 1]
    assert len(done) == 2


def test_parts_are_worked_on_when_they_are_asked_for() -> None:
    begun: list[int] = []
    parts = batched(4, 2, lambda part: begun.append(part.start))
    assert begun == []
    next(parts)
    assert begun == [0]
