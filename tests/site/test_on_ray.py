"""A site that Ray draws is the same, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

import convscope as cs
from convscope.collection import make_engine
from convscope.site.site import Site
from tests.helpers.collections import Make, paint, same
from tests.helpers.processes import small_ray
from tests.helpers.told import Told

pytest.importorskip("ray")
pytestmark = pytest.mark.ray


def test_both_engines_make_the_same_site(own: cs.Network, make: Make, tmp_path: Path) -> None:
    for seed in range(3):
        paint(tmp_path / "few" / f"{seed}.png", seed)
    scope = Told(own, make(folder=tmp_path / "few", layers=("blocks.0", "doubled")))
    plain = Site(scope, tmp_path / "plain").result()
    with small_ray():
        engine = make_engine("ray", None, 1, None, "cpu")
        on_ray = Site(scope, tmp_path / "on ray", engine=engine).result()
    assert (plain / "units" / "doubled" / "0.html").is_file()
    assert same(plain, on_ray)
