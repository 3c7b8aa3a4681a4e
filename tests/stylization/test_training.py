"""The training of style networks, at toy sizes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import convscope as cs
from convscope.stylization import open_styles
from tests.helpers.kernels import kernel, picture

TOY: dict[str, Any] = {
    "size": 32, "style_size": 64, "channels": 2, "blocks": 1, "batch_size": 2, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        _painted(number, (48, 40)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def styles() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(1, 3, 64, 80, generator=generator) for name in ("sea", "fire")}


def _painted(seed: int, size: tuple[int, int]) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (6, 5, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy()).resize(size)


def same(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_stopped_training_goes_on_bit_for_bit(
    photos: Path, styles: dict[str, Tensor], tmp_path: Path
) -> None:
    at_once, in_parts = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    cs.train_style(photos, styles, at_once, steps=5, **TOY).result()

    training = cs.train_style(photos, styles, in_parts, steps=5, **TOY)
    with closing(iter(training)) as results:
        assert [next(results).step for _ in range(2)] == [1, 2]
    last = None
    for last in cs.train_style(photos, styles, in_parts, steps=5, **TOY):
        assert last.step > 2
    assert last is not None
    assert last.step == last.steps == 5
    assert set(last.summary) == {"style", "content", "roughness"}
    assert same(at_once, in_parts)
    assert not list(cs.train_style(photos, styles, in_parts, steps=5, **TOY))


def test_what_the_file_says(photos: Path, styles: dict[str, Tensor], tmp_path: Path) -> None:
    output = cs.train_style(photos, styles, tmp_path / "a.safetensors", steps=1, **TOY).result()
    net, about = open_styles(output)
    assert net.styles == ("sea", "fire")
    assert about.made["network"] == "squeezenet1_1"
    assert about.made["steps"] == 1
    assert about.made["photographs"] == 3
    assert about.made["settings"]["size"] == 32
    assert about.made["losses"]["style"] > 0


def test_another_list_of_styles(photos: Path, styles: dict[str, Tensor], tmp_path: Path) -> None:
    output = tmp_path / "a.safetensors"
    cs.train_style(photos, styles, output, steps=1, **TOY).result()
    fewer = {"sea": styles["sea"]}
    with pytest.raises(cs.ConvscopeError, match=r"begun with other styles \(sea, fire\)"):
        cs.train_style(photos, fewer, output, steps=2, **TOY).result()
    with pytest.raises(cs.ConvscopeError, match="begun with other options"):
        cs.train_style(photos, styles, output, steps=2, **TOY | {"lr": 0.5}).result()
    state = tmp_path / "a.safetensors.resume"
    state.write_bytes(state.read_bytes()[:-200])
    with pytest.raises(cs.ConvscopeError, match="is damaged; delete it to start again"):
        cs.train_style(photos, styles, output, steps=2, **TOY).result()


def test_new_styles_leave_the_others_as_they_are(
    photos: Path, styles: dict[str, Tensor], tmp_path: Path
) -> None:
    base, more = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    cs.train_style(photos, styles, base, steps=2, **TOY).result()
    new = {"stone": torch.rand(1, 3, 70, 70)}
    cs.train_style(photos, new, more, add_to=base, steps=3, **TOY | {"lr": 0.5}).result()
    before, after = load_file(base), load_file(more)
    for name, values in before.items():
        found = after[name]
        if name.endswith(("gamma", "beta")):
            assert len(found) == 3
            assert not torch.equal(found[2], values.float().mean(0).half())
            found = found[:2]
        assert torch.equal(found, values)
    old, both = open_styles(base)[0], open_styles(more)[0]
    assert both.styles == ("sea", "fire", "stone")
    image = torch.rand(1, 3, 40, 36)
    for name in old.styles:
        assert torch.equal(old(image, old.weights(name)), both(image, both.weights(name)))

    with pytest.raises(cs.ConvscopeError, match="has a style 'fire' already"):
        cs.train_style(photos, styles, tmp_path / "c.safetensors", add_to=base, **TOY).result()
    with pytest.raises(cs.ConvscopeError, match="is one of the files to read"):
        cs.train_style(photos, new, base, add_to=base, **TOY)


def test_unreadable_photographs_are_skipped(styles: dict[str, Tensor], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    _painted(0, (40, 40)).save(folder / "good.png")
    (folder / "bad.jpg").write_bytes(b"no image")
    output = tmp_path / "a.safetensors"
    with pytest.raises(cs.ConvscopeError, match="a batch has 2 photographs, and 1 can be read"):
        cs.train_style(folder, styles, output, steps=2, **TOY).result()
    training = cs.train_style(folder, styles, output, steps=2, **TOY | {"batch_size": 1})
    training.result()
    assert [Path(file).name for file in training.skipped] == ["bad.jpg"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 8}, "train_style: size: .* greater than or equal to 32, not 8"),
        ({"lr": -1.0}, "train_style: lr"),
        ({"styles": {}}, "at least one style image"),
        ({"styles": {"small": torch.rand(1, 3, 20, 90)}}, "'small' has 90x20 pixels"),
        ({"styles": {"gray": torch.rand(1, 1, 90, 90)}}, r"'gray': an image is \(1, 3, H, W\)"),
        ({"styles": "nowhere"}, "no folder nowhere of style images"),
    ],
)
def test_options_are_checked_at_once(
    photos: Path, styles: dict[str, Tensor], tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    given: dict[str, Any] = {"styles": styles, "output": tmp_path / "a.safetensors"} | TOY | options
    with pytest.raises(cs.ConvscopeError, match=match) as caught:
        cs.train_style(photos, **given)
    assert "\n" not in str(caught.value)


def test_a_folder_of_style_images(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "styles"
    folder.mkdir()
    _painted(5, (80, 90)).save(folder / "dots.png")
    _painted(6, (80, 90)).save(folder / "hills.jpg")
    output = tmp_path / "a.safetensors"
    cs.train_style(photos, folder, output, steps=1, **TOY).result()
    assert open_styles(output)[0].styles == ("dots", "hills")
    _painted(6, (80, 90)).save(folder / "dots.jpg")
    with pytest.raises(cs.ConvscopeError, match="two style images have the name 'dots'"):
        cs.train_style(photos, folder, output, steps=1, **TOY)


# Saves the gradients of every step, as Adam gets them: Adam itself makes steps of one length of
# them, whatever their size, and of either sign where they are nearly zero.
TOGETHER = """
import sys
import torch
import convscope as cs
from pathlib import Path
from convscope.stylization import learning
from convscope.stylization.team import own_rank
from torch.optim.optimizer import register_optimizer_step_pre_hook

def keep(adam, *_):
    found.append([one.grad.clone() for group in adam.param_groups for one in group["params"]])

found = []
register_optimizer_step_pre_hook(keep)
learning._fast_bfloat16 = lambda: False
folder, name = Path(sys.argv[1]), sys.argv[2]
cs.train_style(folder / "photos", folder / "styles", folder / f"{name}.safetensors", steps=2,
               size=32, style_size=64, channels=2, blocks=1, batch_size=2, device="cpu").result()
if own_rank() == 0:
    torch.save(found, folder / f"{name}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_does(photos: Path, tmp_path: Path) -> None:
    """The mean gradient of two halves of a batch is that of the batch."""
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "styles").mkdir()
    _painted(5, (80, 90)).save(tmp_path / "styles" / "dots.png")
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, start in (("together", torchrun), ("alone", [])):
        done = subprocess.run(
            [sys.executable, *start, str(script), str(tmp_path), name],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    found, wanted = (torch.load(tmp_path / f"{name}.pt") for name in ("together", "alone"))
    assert len(found) == len(wanted) == 2  # steps
    for ours, theirs in zip(found, wanted, strict=True):
        largest = max(float(one.abs().max()) for one in theirs)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * largest)
    files = [load_file(tmp_path / f"{name}.safetensors") for name in ("together", "alone")]
    assert files[0].keys() == files[1].keys()


def test_a_notebook_shows_the_pictures_so_far_and_the_stop_button_saves(
    photos: Path, tmp_path: Path
) -> None:
    styles, output = {"sea": str(photos / "0.png")}, tmp_path / "a.safetensors"
    _painted(9, (80, 70)).save(styles["sea"])
    call = f"cs.train_style({str(photos)!r}, {styles}, {str(output)!r}, steps=STEPS, **{TOY})"
    with kernel() as notebook:
        notebook.run("import torch; import convscope as cs; torch.set_num_threads(1)")
        cell = notebook.run(call.replace("STEPS", "100_000"), stop_at="2 of")
        assert not cell.errors
        assert any("<progress" in state.get("text/html", "") for state in cell.states)
        done = re.search(r"stopped at step (\d+) of 100000", cell.text[0])
        assert done
        assert "base64," in cell.places[0]["text/html"]
        assert cell.text[1] == f"{output} keeps what is done; run the cell again to continue"
        state = torch.load(output.with_name("a.safetensors.resume"), weights_only=True)
        assert state["step"] - int(done[1]) in (0, 1), "a step that was begun is finished and kept"

        steps = state["step"] + 1
        cell = notebook.run(call.replace("STEPS", str(steps)))
        assert f"step {steps}/{steps}" in cell.text[0]
        assert picture(cell.places[0]).width > 64
        assert "train_style: " in notebook.run(call.replace("STEPS", str(steps))).text[0]
