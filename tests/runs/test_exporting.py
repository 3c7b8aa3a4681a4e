"""Results as figures for papers and as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

import convscope as cs
from convscope.files import read_provenance
from convscope.replay import remake


@pytest.mark.parametrize("ending", ["pdf", "svg", "npz", "npy"])
def test_a_file_carries_what_makes_it_again(net: cs.Network, tmp_path: Path, ending: str) -> None:
    image = cs.open_image("sample:coffee")
    result = cs.gradcam(net, image, target="espresso").result()
    file = result.save(tmp_path / f"a.{ending}")
    carried = read_provenance(file)
    assert carried["parameters"]["target"] == "espresso"
    assert carried.keys() == result.provenance.keys()
    again = remake(file).save(tmp_path / f"b.{ending}")
    assert again.read_bytes() == file.read_bytes()


def test_all_arrays_by_name(own: cs.Network, own_photo: Tensor, tmp_path: Path) -> None:
    result = cs.gradcam(own, own_photo, layer=("blocks.0", "blocks")).result()
    with np.load(result.save(tmp_path / "a.npz")) as held:
        assert set(held) == {"image", "heatmap", "score", "blocks.0", "blocks", "provenance"}
        np.testing.assert_array_equal(held["heatmap"], result.heatmap)
        np.testing.assert_array_equal(held["blocks.0"], result.arrays["blocks.0"])
        assert float(held["score"]) == result.score


def test_the_main_array(own: cs.Network, own_photo: Tensor, tmp_path: Path) -> None:
    def saved(run: cs.Run) -> np.ndarray:
        found: np.ndarray = np.load(run.save(tmp_path / "a.npy"))
        (tmp_path / "a.npy").unlink()
        return found

    saliency = cs.saliency(own, own_photo)
    np.testing.assert_array_equal(saved(saliency), saliency.result().heatmap)
    guided = cs.guided_backprop(own, own_photo, target=1)
    np.testing.assert_array_equal(saved(guided), guided.result().gradient)
    drawn = cs.class_image(own, target=1, steps=2)
    np.testing.assert_array_equal(saved(drawn), drawn.result().image)
    predicted = cs.predict(own, own_photo)
    np.testing.assert_array_equal(saved(predicted), predicted.result().arrays["logits"])
    for run in (cs.compare(own, own_photo, methods=("saliency", "gradcam")),
                cs.intermediate(own, own_photo)):  # fmt: skip
        with pytest.raises(cs.ConvscopeError, match=r"gives several arrays \(.*an \.npz file"):
            run.save(tmp_path / "a.npy")
    assert not list(tmp_path.glob("a.npy"))
