"""A run that is stopped and goes on is the run that was never stopped, to the last bit."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.ascent import resume_files
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.files import TEMPORARY
from convscope.types.frames import Ascent
from convscope.vocabulary import optimizers, priors, starts
from convscope.vocabulary.objectives import logit
from convscope.vocabulary.optimizers import Optimizer
from convscope.vocabulary.priors import Prior
from tests.helpers import toys
from tests.helpers.networks import own_network, own_photograph

STEPS = 4
RUN = {"technique": "toy"}
OPTIMIZERS: list[Optimizer] = [
    optimizers.sgd(0.1, momentum=0.9),
    optimizers.adam(0.05, lr_decay=0.7),
    optimizers.nadam(0.05),
    optimizers.sign(0.02),
    optimizers.lbfgs(),
]
STARTS = [
    starts.noise(0.1, count=2),
    starts.photo(toys.images(1, 12)),
    starts.fourier(sigma=0.3),
    starts.maco(),
]
CHANCE = (priors.jitter(3), priors.gaussian_noise(0.1))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "a.png.resume"


def steps(start: starts.Start | None = None, **words: Any) -> Generator[Ascent, None, None]:
    net = toys.network(toys.randomized(toys.Residual()), 12)
    settings = {"optimizer": optimizers.adam(), "steps": STEPS, "priors": CHANCE, **words}
    yield from climb(
        net, Recipe(start=start or starts.noise(0.1), objective=logit(1), **settings), seed=3
    )


def drain(frames: Callable[[], Iterator[Any]], place: Path) -> list[Any]:
    """What a run gives that goes on with what it finds, and ends."""
    with resume_files.resumable(place, RUN, resume=True) as folder:
        found = list(frames())
        folder.clear()
    return found


def stop(frames: Callable[[], Iterator[Any]], place: Path, after: int) -> list[Any]:
    """What a run gives before it is closed."""
    with resume_files.resumable(place, RUN, resume=True):
        running = frames()
        found = list(islice(running, after))
        running.close()  # type: ignore[attr-defined]
    return found


def same(one: Ascent, other: Ascent) -> None:
    assert (one.step, one.steps) == (other.step, other.steps)
    for name in ("image", "score", "scores", "gradient"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize("start", STARTS, ids=lambda start: type(start).__name__)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_a_climb_goes_on_as_if_never_stopped(
    start: starts.Start, optimizer: Optimizer, place: Path
) -> None:
    words: dict[str, Any] = {"optimizer": optimizer}
    if isinstance(optimizer, optimizers.lbfgs):
        words["priors"] = ()
    whole = list(steps(start, **words))
    for after in range(1, STEPS + 1):
        stopped = stop(lambda: steps(start, **words), place, after)
        rest = drain(lambda: steps(start, **words), place)
        # A run that was stopped at its last step does that step again.
        assert [f.step for f in rest] == list(range(min(after + 1, STEPS), STEPS + 1))
        for frame, expected in zip([*stopped[: STEPS - len(rest)], *rest], whole, strict=True):
            same(frame, expected)
        assert not place.exists()


def test_it_can_be_stopped_over_and_over(place: Path) -> None:
    whole = list(steps())
    for step in range(1, STEPS):
        (frame,) = stop(steps, place, 1)
        same(frame, whole[step - 1])
    (last,) = drain(steps, place)
    same(last, whole[-1])


class Breaks(Prior):
    """Its view raises at one step, as a machine that is switched off would stop there."""

    def __init__(self, at: int, error: type[BaseException] = MemoryError) -> None:
        self.left, self.error = at, error

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        self.left -= 1
        if self.left == 0:
            raise self.error("stopped")
        return image + 0.1 * torch.randn(image.shape, generator=generator)


def broken(place: Path, at: int, error: type[BaseException] = MemoryError) -> None:
    with resume_files.resumable(place, RUN, resume=True), pytest.raises(error):
        list(steps(priors=(Breaks(at, error),)))


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, ConvscopeError])
def test_what_is_written_on_the_way_survives_a_hard_end(
    monkeypatch: pytest.MonkeyPatch, place: Path, error: type[BaseException]
) -> None:
    monkeypatch.setattr(resume_files, "INTERVAL", -1)
    whole = list(steps(priors=(Breaks(0),)))
    for at in range(2, STEPS + 1):
        broken(place, at, error)
        rest = drain(lambda: steps(priors=(Breaks(0),)), place)
        assert [f.step for f in rest] == list(range(at, STEPS + 1))
        same(rest[-1], whole[-1])


def test_half_a_minute_passes_between_two(
    monkeypatch: pytest.MonkeyPatch, place: Path, tmp_path: Path
) -> None:
    now = 100.0
    monkeypatch.setattr("convscope.ascent.resume_files.time.monotonic", lambda: now)
    written: list[int] = []
    write = resume_files.ResumeFolder.write

    def note(self: resume_files.ResumeFolder, file: Path, state: Any) -> None:
        written.append(state["step"])
        write(self, file, state)

    monkeypatch.setattr(resume_files.ResumeFolder, "write", note)
    with resume_files.resumable(place, RUN, resume=True):
        for frame in steps(steps=9):
            now += {1: 29.0, 2: 2.0, 3: 29.0, 4: 2.0}.get(frame.step, 0.0)
    assert written == [3, 5, 9]  # and before the last step


def test_a_failed_step_is_not_written(place: Path) -> None:
    broken(place, 3)
    assert not place.exists()


# ----------------------------------------------------------------------- several climbs a run


def frames_of(run: cs.Run) -> Callable[[], Iterator[Any]]:
    return lambda: iter(run)


def several() -> dict[str, cs.Run]:
    net = own_network()
    photo = own_photograph(48, 60)
    return {
        "octaves": cs.deepdream(net, photo, octaves=2, steps=3, zoom=1.2, seed=2),
        "a zoom": cs.deepdream(net, photo, octaves=2, steps=2, zoom=1.2, frames=4, tile=40),
        "tries": cs.class_image(net, target=(0, 1), tries=9, steps=2, size=16),
        "ladder": cs.ladder(net, target=1, steps=2, size=16),
        "diverse neurons": cs.neuron_image(
            net, target=("blocks:1", "blocks:2"), count=2, steps=3, size=16
        ),
    }


@pytest.mark.parametrize("name", several())
def test_runs_of_several_climbs(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[int] = []
    before = resume_files.ResumeFile.before_step

    def note(self: resume_files.ResumeFile, step: int, *rest: Any) -> None:
        worked.append(step)
        before(self, step, *rest)

    monkeypatch.setattr(resume_files.ResumeFile, "before_step", note)
    whole = list(several()[name])
    all_work = len(worked)
    for after in range(1, len(whole) + 1):
        assert len(stop(frames_of(several()[name]), place, after)) == after
        worked.clear()
        rest = drain(frames_of(several()[name]), place)
        assert 0 < len(worked) < all_work
        last, expected = rest[-1], whole[-1]
        assert (last.step, last.steps) == (expected.step, expected.steps)
        assert (last.image == expected.image).all()
        assert last.summary == expected.summary
        assert not place.exists()


def test_each_climb_has_a_file_of_its_own(place: Path) -> None:
    stop(frames_of(cs.ladder(own_network(), target=1, steps=3, size=16)), place, 8)
    assert {file.name for file in place.iterdir()} == {"run.json", "1.pt", "2.pt", "3.pt"}


# ---------------------------------------------------------------------------------- the folder


def test_outside_of_resumable_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, place: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(resume_files, "INTERVAL", -1)
    monkeypatch.chdir(tmp_path)
    with resume_files.resumable(place, RUN, resume=False):
        pass
    running = steps()
    next(running)
    running.close()
    list(steps())
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_go_on_with_is_a_beginning(place: Path) -> None:
    same(drain(steps, place)[0], next(steps()))


def test_without_resuming_it_begins_anew(place: Path) -> None:
    stop(steps, place, 2)
    with resume_files.resumable(place, RUN, resume=False):
        assert not place.exists()
        found = list(steps())
    assert [f.step for f in found] == list(range(1, STEPS + 1))


@pytest.mark.parametrize("words", [{"optimizer": None}, {"steps": 1}])
def test_what_has_no_way_behind_it_keeps_nothing(words: dict[str, Any], place: Path) -> None:
    stop(lambda: steps(**words), place, 1)
    assert not place.exists()


def test_a_run_is_the_same_whatever_the_order_of_its_options(place: Path) -> None:
    with resume_files.resumable(place, {"a": 1, "b": (2,)}, resume=True):
        running = steps()
        next(running)
        running.close()
    with resume_files.resumable(place, {"b": [2], "a": 1}, resume=True):
        assert next(steps()).step == 2


def test_another_runs_checkpoints_are_refused(place: Path) -> None:
    stop(steps, place, 2)
    held = {file: file.read_bytes() for file in place.iterdir()}
    with (
        pytest.raises(ConvscopeError, match=r"a\.png\.resume belongs to a run with other options"),
        resume_files.resumable(place, {**RUN, "seed": 1}, resume=True),
    ):
        raise AssertionError("went on")
    assert {file: file.read_bytes() for file in place.iterdir()} == held


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other(file: Path) -> None:
    torch.save({"step": 2}, file)


def of_another_shape(file: Path) -> None:
    state = torch.load(file, weights_only=True)
    torch.save({**state, "parameters": torch.zeros(2, 1, 1, 1, 1, 1)}, file)


def flipped(file: Path) -> None:
    """One bit of the parameters, which torch reads without a word."""
    numbers = torch.load(file, weights_only=True)["parameters"].contiguous().numpy().tobytes()
    data = bytearray(file.read_bytes())
    data[data.find(numbers)] ^= 1
    file.write_bytes(data)
    torch.load(file, weights_only=True)


def inflating(file: Path) -> None:
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in parts.items():
            new.writestr(name, data)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def trapped(file: Path) -> None:
    torch.save(Trap(file.parent / "sprung"), file)


@pytest.mark.parametrize(
    "damage", [cut, empty, other, of_another_shape, flipped, inflating, trapped]
)
def test_a_damaged_file_is_named_in_one_line(damage: Callable[[Path], None], place: Path) -> None:
    stop(steps, place, 2)
    damage(place / "1.pt")
    with pytest.raises(
        ConvscopeError, match=r"1\.pt is damaged; delete .*a\.png\.resume"
    ) as caught:
        drain(steps, place)
    assert "\n" not in str(caught.value)
    assert not (place / "sprung").exists()


def missing(file: Path) -> None:
    file.unlink()


def no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\xfa")


@pytest.mark.parametrize("damage", [missing, no_text])
def test_a_folder_of_no_known_run(damage: Callable[[Path], None], place: Path) -> None:
    stop(steps, place, 2)
    damage(place / "run.json")
    with pytest.raises(ConvscopeError, match=r"run\.json is damaged; delete .*a\.png\.resume"):
        drain(steps, place)


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_a_run_goes_on_without_a_place_for_its_state(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / parent / "a.png.resume"
    with resume_files.resumable(place, RUN, resume=True) as folder:
        assert len(list(steps())) == STEPS
    assert folder.problem.startswith(f"the run cannot be continued later: cannot make {place} (")
    assert "\n" not in folder.problem


@pytest.mark.parametrize("limit", [0, 700, 3000])
def test_a_run_goes_on_when_the_disk_is_full(
    place: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The state of an earlier step stays, and a run can go on from it."""
    monkeypatch.setattr(resume_files, "INTERVAL", -1)
    stop(steps, place, 1)
    held = {file.name: file.read_bytes() for file in place.iterdir()}
    write = Path.write_bytes

    def full(file: Path, data: bytes) -> int:
        write(file, data[:limit])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with resume_files.resumable(place, RUN, resume=True) as folder:
            found = list(steps())
    assert [frame.step for frame in found] == [2, 3, 4]
    assert folder.problem.startswith("the run cannot be continued later: cannot write ")
    assert folder.problem.endswith("(No space left on device)")
    assert {file.name: file.read_bytes() for file in place.iterdir()} == held
    same(drain(steps, place)[0], found[0])


# ------------------------------------------------------------------------ what is not ours stays


def weights(place: Path) -> None:
    torch.save({"a": torch.ones(2)}, place / "my.pt")


def numbered(place: Path) -> None:
    torch.save({"a": torch.ones(2)}, place / "1.pt")


def marked_text(place: Path) -> None:
    (place / "notes.txt").write_text("convscope")


def inner_folder(place: Path) -> None:
    (place / "1.pt").mkdir()


def other_run(place: Path) -> None:
    (place / "run.json").write_text('{"epochs": 3}')


def link(place: Path) -> None:
    """A link to a resume file is somebody's link."""
    (place.parent / "7.pt").write_bytes(b"convscope")
    (place / "7.pt").symlink_to(place.parent / "7.pt")


@pytest.mark.parametrize("also_ours", [False, True])
@pytest.mark.parametrize("put", [weights, numbered, marked_text, inner_folder, other_run, link])
def test_foreign_files_are_never_deleted(
    put: Callable[[Path], None], also_ours: bool, place: Path, tmp_path: Path
) -> None:
    if also_ours:
        stop(steps, place, 2)
        (place / "1.pt").rename(place / "2.pt")
        (place / "run.json").rename(place / f"{TEMPORARY}x.json")
    place.mkdir(exist_ok=True)
    put(place)
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(ConvscopeError, match="which is no resume file of convscope; write to"),
        resume_files.resumable(place, RUN, resume=False),
    ):
        raise AssertionError("went on")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("resume", [False, True])
def test_a_link_to_a_folder_is_not_followed(place: Path, tmp_path: Path, resume: bool) -> None:
    models = tmp_path / "models"
    stop(steps, models, 2)
    before = sorted(models.iterdir())
    place.symlink_to(models)
    with (
        pytest.raises(ConvscopeError, match=r"a\.png\.resume is the place of .* but not a folder"),
        resume_files.resumable(place, RUN, resume=resume),
    ):
        raise AssertionError("went on")
    assert sorted(models.iterdir()) == before
    place.unlink()
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConvscopeError, match="not a folder"):
        resume_files.check_folder(place, resume=resume)


def test_what_comes_meanwhile_stays(place: Path) -> None:
    stop(steps, place, 2)
    with resume_files.resumable(place, RUN, resume=True) as folder:
        weights(place)
        folder.clear()
    assert [file.name for file in place.iterdir()] == ["my.pt"]


# --------------------------------------------------------------------------------- Run.save


def neuron(seed: int = 0) -> cs.Run:
    return cs.neuron_image(own_network(), target="blocks:1", steps=4, size=16, seed=seed)


def stopped_save(run: cs.Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`save` with Ctrl-C between its second and its third step."""
    frames = run.frames

    def begin() -> Iterator[Any]:
        for frame in frames():
            yield frame
            if frame.step == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(run, "frames", begin)
    with pytest.raises(KeyboardInterrupt):
        run.save(file, resume=True)


def test_save_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    stopped_save(neuron(), file, monkeypatch)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png.resume"}
    with pytest.raises(ConvscopeError, match="other options or another photograph"):
        neuron(seed=1).save(file, resume=True)
    run = neuron()
    frames, done = run.frames, list[int]()

    def begin() -> Iterator[Any]:
        for frame in frames():
            done.append(frame.step)
            yield frame

    monkeypatch.setattr(run, "frames", begin)
    assert run.save(file, resume=True) == file
    assert done == [3, 4]
    assert {path.name for path in tmp_path.iterdir()} == {"a.png"}
    assert file.read_bytes() == neuron().save(tmp_path / "b.png").read_bytes()


def test_save_without_resuming_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume_files, "INTERVAL", -1)
    neuron().save(tmp_path / "a.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png"}


def test_what_tells_runs_apart(net: cs.Network) -> None:
    own, photo = own_network(), own_photograph()
    inner = photo.clone()
    inner[..., 20, 20] = 0.5

    def identity(image: Tensor = photo, on: cs.Network = own, **options: Any) -> Any:
        return cs.deepdream(on, image, **options).identity

    assert identity(guide=photo) == identity(photo.clone(), guide=photo.clone())
    others = [
        identity(inner),
        identity(on=net),
        identity(seed=1),
        identity(steps=3),
        identity(guide=photo),
        identity(guide=inner),
        cs.saliency(own, photo).identity,
    ]
    for i, one in enumerate(others):
        assert one not in [*others[:i], identity()], i
