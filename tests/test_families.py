"""One network of every family: all numbers are plain PyTorch's, and every technique works.

Half an hour on one core. A network that takes too long on a small machine is skipped.
"""

from __future__ import annotations

import pytest

from tests.helpers.families.networks import FAMILIES
from tests.helpers.families.trying import TooSlow, subject_of, try_network, within

# Guided backpropagation refuses a network without activations that it can change.
MAY_REFUSE = {"guided"}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family: str) -> None:
    try:
        with within(seconds=240):
            found = dict(try_network(subject_of(family)))
    except TooSlow as error:
        pytest.skip(str(error))
    faults = {
        name: verdict
        for name, verdict in found.items()
        if not verdict.good or (verdict.state == "refused" and name not in MAY_REFUSE)
    }
    assert not faults
