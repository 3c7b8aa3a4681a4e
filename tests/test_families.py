"""One network of every family: all numbers are plain PyTorch's, and every technique works.

Half an hour on one core. A network that takes too long on a small machine is skipped.
"""

from __future__ import annotations

import pytest

from tests.helpers.families.networks import FAMILIES
from tests.helpers.families.trying import TooSlow, subject_of, try_network, within

# Refusals that are right: without a convolution there are no filters of one, for instance. Guided
# backpropagation refuses every network without activations that it can change.
MAY_REFUSE = {
    "csatv2": {"neuron_image"},  # of random weights, the unit is dead
    "gemma4_vit": {"filters"},
    "naflexvit": {"filters"},
    "torchvision video": {"filters", "intermediate"},
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family: str) -> None:
    try:
        with within(seconds=240):
            found = dict(try_network(subject_of(family)))
    except TooSlow as error:
        pytest.skip(str(error))
    refused = MAY_REFUSE.get(family, set()) | {"guided"}
    faults = {
        name: verdict
        for name, verdict in found.items()
        if verdict.state != "pass" and not (name in refused and verdict.good)
    }
    assert not faults
