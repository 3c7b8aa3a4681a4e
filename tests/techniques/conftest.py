"""The small collection of the index's own tests."""

from tests.dataset.conftest import make as make
from tests.dataset.conftest import photos as photos
