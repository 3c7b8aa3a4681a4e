"""The command line. `convscope --help` and the help of each command come from the registry."""

from __future__ import annotations

import inspect
import json
import operator
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from rich.console import Console

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.runs import catalog

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch import Tensor

    from convscope.collection import Index, Indexing
    from convscope.network import Network
    from convscope.runs import Batch, Result, Run

DEFAULT_MODEL = "efficientnet_lite0"


INTERRUPTED = 130


SHOWN = 5  # of many failures

Output = Annotated[
    Path | None,
    Parameter(
        ["--output", "-o"],
        help="the picture to write; .gif, .webp or .mp4: the whole run; for a folder of"
        " photographs, the folder of their pictures",
    ),
]


Model = Annotated[
    str, Parameter(help="efficientnet_lite0, efficientnet_lite1, timm/NAME or torchvision/NAME")
]


Device = Annotated[str | None, Parameter(help="cpu, cuda, ...; a GPU where there is one")]


Checkpoint = Annotated[
    Path | None, Parameter(help="weights of your own for the model, .safetensors or .pt")
]


RandomWeights = Annotated[bool, Parameter(negative="", help="look at the untrained network")]


Check = Annotated[
    bool, Parameter(negative="", help="also draw how far the map can be trusted, and in words")
]


Json = Annotated[bool, Parameter(negative="", help="print the figures as JSON")]


Resume = Annotated[
    bool, Parameter(negative="", help="go on with the run that was stopped, where there is one")
]


_SAMPLES = "sample:chelsea, sample:coffee, sample:rocket, sample:astronaut"


ImagePath = Annotated[str, Parameter(help=f"a photograph, or {_SAMPLES}")]


ImagePaths = Annotated[str, Parameter(help=f"a photograph or a folder of them, or {_SAMPLES}")]

errors = Console(stderr=True, highlight=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits non-zero, with one line, where something is wrong."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        code = _app(words)(words, exit_on_error=False, print_error=False) or 0
        sys.stdout.flush()
    except ConvscopeError as error:
        if debug:
            raise
        code = _fail(str(error))
    except CycloptsError as error:
        if debug:
            raise
        code = _fail(_usage(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # `convscope models | head` has seen enough; Python would complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if debug:
            raise
        code = _fail(f"{type(error).__name__}: {str(error)[:300]} (--debug shows where)")
    sys.exit(code)


def _fail(message: str) -> int:
    _tell(f"convscope: {message}")
    return 2


def _tell(message: str) -> None:
    errors.print(" ".join(message.splitlines()), markup=False, soft_wrap=True)


def _usage(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        command = " ".join(error.command_chain or ())
        return f"{command} takes no {' '.join(map(repr, error.unused_tokens or ()))}".lstrip()
    return " ".join(str(error).split())


def _app(words: list[str]) -> App:
    """All commands. Only the technique that is asked for is imported: help needs no torch."""
    app = App(
        name="convscope",
        help="See what a convolutional network has learned and why it decides as it does.",
        version=__version__,
        result_action="return_value",
    )
    for command in (tour, index, export, ascend, replay, spectrum, layers, models, doctor):
        app.command(command, group="Commands")
    for name, entry in catalog.techniques().items():
        if words[:1] == [entry.command] or words[:2] == ["--help", entry.command]:
            app.command(_technique_command(name), name=entry.command, group="Techniques")
        else:
            app.command(App(name=entry.command, help=entry.summary, group="Techniques"))
    return app


# ----------------------------------------------------------------------- techniques


def _technique_command(name: str) -> Any:
    """A command made of the technique's own signature."""
    from convscope.runs import registry

    technique = registry.get(name)

    def command(*image: str, **words: Any) -> int:
        options = {word: words.pop(word) for word in technique.model.model_fields if word in words}
        return _run_technique(technique, options, *image, **words)

    parameters = []
    if technique.takes_image:
        parameters.append(_parameter("image", ImagePaths, positional=True))
    for word, field in technique.model.model_fields.items():
        required = field.is_required()
        help_ = Parameter(help=field.description or "", negative="")
        kind: Any = Annotated[_typed(field.annotation), help_]
        parameters.append(_parameter(word, kind, default=... if required else field.default))
    common = inspect.signature(_run_technique, eval_str=True).parameters.values()
    parameters += [
        p
        for p in common
        if p.kind is p.KEYWORD_ONLY and (p.name != "check" or technique.attribution)
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    paper = f"{technique.paper}: {technique.url}"
    command.__doc__ = f"{technique.summary}\n\n{technique.description}\n\n{paper}"
    return command


def _typed(annotation: Any) -> Any:
    """The part of a type that can be typed: a tensor cannot."""
    kinds = get_args(annotation)
    typed = tuple(kind for kind in kinds if "Tensor" not in str(kind))
    return annotation if typed == kinds else reduce(operator.or_, typed)


def _parameter(
    name: str, kind: Any, default: Any = ..., positional: bool = False
) -> inspect.Parameter:
    how = inspect.Parameter.POSITIONAL_OR_KEYWORD if positional else inspect.Parameter.KEYWORD_ONLY
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        name, how, default=empty if default is ... else default, annotation=kind
    )


def _run_technique(
    technique: Any,
    options: dict[str, Any],
    image: str | None = None,
    *,
    check: Check = False,
    output: Output = None,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    random_weights: RandomWeights = False,
    device: Device = None,
    resume: Resume = False,
    json: Json = False,
) -> int:
    options = technique.validate(options)

    def begin(net: Network, photo: Tensor | None) -> Run:
        run: Run = technique.run(net, photo, **options)
        if not check:
            return run
        from convscope.trust import check as checked

        return checked(run)

    load = partial(_load_for, options.get("index"), model, checkpoint, random_weights, device)
    return _make(technique.command, begin, load, image, output, resume, json)


def _make(
    name: str,
    begin: Callable[[Network, Tensor | None], Run],
    load: Callable[[], Network],
    image: str | None,
    output: Path | None,
    resume: bool,
    as_json: bool,
) -> int:
    """The picture of a photograph or of none, or those of a folder's photographs."""
    from convscope.files import check_writable, open_image

    if image is not None and os.path.isdir(image) and not image.startswith("sample:"):
        from convscope.runs import folders

        plan = folders.plan(name, Path(image), output)
        net = load()
        return _make_all(folders.Batch(plan, partial(begin, net), net), name, as_json)
    if output is None:
        stem = "" if image is None else "-" + Path(image.replace("sample:", "")).stem
        output = Path(f"{name}{stem}.png")
    check_writable(output)
    photo = None if image is None else open_image(image)
    return _follow(begin(load(), photo), output, as_json, resume)


def _load(model: str, checkpoint: Path | None, random_weights: bool, device: str | None) -> Network:
    from convscope.network import load

    return load(model, pretrained=not random_weights, checkpoint=checkpoint, device=device)


def _load_for(
    index: Path | str | None,
    model: str,
    checkpoint: Path | None,
    random_weights: bool,
    device: str | None,
) -> Network:
    """The network that is asked for or, where none is, the one that has made an index."""
    from convscope.collection import Store

    if index is None or checkpoint or random_weights or model != DEFAULT_MODEL:
        return _load(model, checkpoint, random_weights, device)
    identity = Store(Path(index)).identity()
    source = identity and identity["source"]
    if not source:
        return _load(model, checkpoint, random_weights, device)
    return _load(source["name"], source["checkpoint"], not source["pretrained"], device)


def _follow(run: Run, output: Path, as_json: bool, resume: bool) -> int:
    """Run to the end with a progress bar, save, and say where; Ctrl-C saves the last good frame,
    and beside it what the run needs to go on."""
    from convscope.ascent import resume_files
    from convscope.runs import save_run

    place = resume_files.folder_for(output)
    if place.exists() and not resume:
        _tell(f"beginning anew; --resume would have gone on with the run in {place}")
    watched = _Watched(run)
    with resume_files.resumable(place, run.identity, resume=resume) as kept:
        written = save_run(watched, output)
        if not watched.interrupted:
            kept.clear()
    if watched.error:
        return _fail(f"{watched.error}; the last good frame is in {written}")
    if as_json:
        assert watched.last is not None
        print(json.dumps({"picture": str(written), **watched.last.summary}, indent=2))
    else:
        print(written)
    if watched.interrupted and place.exists():
        _tell("stopped; the same command with --resume goes on")
    return INTERRUPTED if watched.interrupted else 0


class _Watched:
    """A run's frames with a progress bar, if it takes longer than a second on a terminal.

    Ctrl-C, or an error after the first frame, ends the frames early instead of losing them.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.last: Result | None = None
        self.interrupted = False
        self.error: ConvscopeError | None = None

    def __iter__(self) -> Iterator[Result]:
        try:
            with self._minding_ctrl_c():
                for result in _progress(self.run, self.run.technique):
                    self.last = result
                    yield result
                    if self.interrupted:
                        return
        except ConvscopeError as error:
            if self.last is None:
                raise
            self.error = error

    @contextmanager
    def _minding_ctrl_c(self) -> Iterator[None]:
        """Ctrl-C ends the run after the frame that is being made or drawn; a second one, or one
        before there is any frame, breaks it off."""

        def note(number: int, where: FrameType | None) -> None:
            if self.last is None or self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        if threading.current_thread() is not threading.main_thread():
            yield  # signals go to the main thread only
            return
        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _progress(results: Iterable[Result], title: str) -> Iterator[Result]:
    if not errors.is_terminal:
        yield from results
        return
    begun = time.monotonic()
    with _bar() as bar:
        task = bar.add_task(title, visible=False, now="")
        for result in results:
            late = time.monotonic() - begun > 1
            bar.update(task, completed=result.step, total=result.steps, visible=late)
            yield result


def _bar() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    what = TextColumn("{task.description}", markup=False)
    now = TextColumn("{task.fields[now]}", markup=False)
    columns = what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), now
    return Progress(*columns, console=errors, transient=True, redirect_stdout=False)


def _make_all(batch: Batch, title: str, as_json: bool) -> int:
    """The pictures of a folder's photographs with a progress bar; what failed is told at the end.

    Ctrl-C breaks off the photograph that it meets and keeps the pictures of those before it.
    """
    photographs, output = batch.plan.photographs, batch.plan.output
    count: Counter[str] = Counter()
    failures = []
    interrupted = False
    try:
        for photograph in _named(photographs, title, as_json):
            outcome = batch.make(photograph)
            count[outcome.state] += 1
            if outcome.error:
                failures.append(outcome.error)
            if as_json:
                print(json.dumps(outcome.row), flush=True)
    except KeyboardInterrupt:
        interrupted = True
    for failure in failures:
        _tell(failure)
    words = {"made": "made", "replaced": "made anew", "kept": "there already", "failed": "failed"}
    told = ", ".join(f"{count[state]} {word}" for state, word in words.items() if count[state])
    left = len(photographs) - count.total()
    rest = f"; {left} left, with which the same command goes on" if interrupted else ""
    _tell(f"pictures: {told or 'none made'}{rest}")
    if output.is_dir() and not as_json:
        print(output)
    return INTERRUPTED if interrupted else int(bool(failures))


def _named(photographs: Sequence[Path], title: str, as_json: bool) -> Iterator[Path]:
    """Each photograph, while a bar on the terminal names it, unless lines are printed there."""
    if not errors.is_terminal or (as_json and sys.stdout.isatty()):
        yield from photographs
        return
    with _bar() as bar:
        task = bar.add_task(title, total=len(photographs), now="")
        for photograph in photographs:
            bar.update(task, now=photograph.name)
            yield photograph
            bar.advance(task)


# ------------------------------------------------------------------- other commands


def tour(
    image: ImagePath = "sample:chelsea",
    *,
    output: Annotated[Path, Parameter(["--output", "-o"], help="the page to write")] = Path(
        "report.html"
    ),
    index: Annotated[
        Path | None, Parameter(help="a collection of images, to show units and neighbors in")
    ] = None,
    full: Annotated[
        bool, Parameter(negative="", help="take the time that good pictures need")
    ] = False,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    device: Device = None,
    seed: Annotated[int, Parameter(help="chooses the random numbers")] = 0,
) -> int:
    """Walk a photograph through the network: one page, every technique, how to read each."""
    from convscope.files import check_writable, open_image
    from convscope.tour.tour import Tour

    if output.suffix.lower() != ".html":
        raise ConvscopeError(f"a tour is a page that ends in .html, not {output.name}")
    check_writable(output, picture=False)
    photo = open_image(image)
    net = _load_for(index, model, checkpoint, False, device)
    if index is not None:
        from convscope.collection import index_of

        index_of(net, index)  # fails now rather than after half the tour
    shown = None if net.name == DEFAULT_MODEL else net.name  # an index may have chosen it
    walk = Tour(
        net,
        photo,
        image,
        full=full,
        seed=seed,
        model=shown,
        index=None if index is None else os.fspath(index),
    )
    for chapter in walk.chapters:
        if chapter.run is not None:
            watched = _Watched(chapter.run)
            walk.visit(chapter, watched)
            if watched.interrupted:
                print(walk.save(output))
                return INTERRUPTED
        if errors.is_terminal:
            mark = "[yellow]--[/]" if chapter.refusal else "[green]ok[/]"
            errors.print(f"{mark} {chapter.title}")
    print(walk.save(output))
    return 0


def index(
    folder: Annotated[Path, Parameter(help="images, in folders of it too; with --info an index")],
    *,
    output: Annotated[
        Path | None, Parameter(["--output", "-o"], help="the index; FOLDER-index if not given")
    ] = None,
    info: Annotated[bool, Parameter(negative="", help="only tell what is in an index")] = False,
    update: Annotated[
        bool,
        Parameter(negative="", help="take in what is new in the folder, leave out what is gone"),
    ] = False,
    layers: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="of whose channels; the last of each resolution if not given"),
    ] = (),
    top: Annotated[
        int | None, Parameter(help="images kept at either end of a channel; 9 if not given")
    ] = None,
    batch_size: Annotated[
        int | None, Parameter(help="images that the network takes at once; 16 if not given")
    ] = None,
    threads: Annotated[
        int | None, Parameter(help="that the network runs in, for each actor")
    ] = None,
    shard: Annotated[
        int | None,
        Parameter(help="files worked on together, which a crash loses at most; 512 if not given"),
    ] = None,
    thumbnail: Annotated[
        int | None, Parameter(help="pixels of the small pictures kept; 96 if not given")
    ] = None,
    follow_links: Annotated[
        bool, Parameter(negative="", help="also links that lead out of the folder")
    ] = False,
    engine: Annotated[
        Literal["plain", "ray"], Parameter(help="in this process, or on a Ray cluster")
    ] = "plain",
    workers: Annotated[
        int | None, Parameter(help="processes that decode images, for each actor")
    ] = None,
    actors: Annotated[int | None, Parameter(help="of Ray, as many as there is room for")] = None,
    address: Annotated[
        str | None, Parameter(help="of a Ray cluster, or else one is begun on this machine")
    ] = None,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    random_weights: RandomWeights = False,
    device: Device = None,
    json: Json = False,
) -> int:
    """Collect what a network answers to a folder of images, for patches, neighbors and maps.

    The same command again goes on where it was broken off, and mends what is damaged.
    """
    # Read when torch is imported. Threads that spin while they wait would take the processors from
    # those that decode.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from convscope.collection import index as collect
    from convscope.collection import open_index
    from convscope.system import keep_pages

    if info:
        return _tell_of(open_index(folder), json)
    output = output or Path(f"{os.path.basename(os.path.abspath(folder))}-index")
    if not folder.is_dir():
        raise ConvscopeError(f"no folder {folder}")
    keep_pages()
    indexing = collect(
        _load_for(output, model, checkpoint, random_weights, device),
        folder,
        output,
        layers=layers or None,
        top=top,
        batch_size=batch_size,
        threads=threads,
        shard=shard,
        thumbnail=thumbnail,
        update=update,
        follow_links=follow_links,
        engine=engine,
        workers=workers,
        actors=actors,
        address=address,
    )
    try:
        for mended in _counted(indexing, "index"):
            _tell(f"{mended} was damaged, and is made anew")
    except KeyboardInterrupt:
        _tell(f"stopped; what is done is kept in {output}, and the same command goes on")
        return INTERRUPTED
    made = indexing.result()
    for one in made.unreadable[:SHOWN]:
        _tell(f"left out: {one.path}: {one.reason}")
    if len(made.unreadable) > SHOWN:
        _tell(f"and {len(made.unreadable) - SHOWN} more; convscope index --info {output} --json")
    if json:
        return _tell_of(made, json)
    _tell(f"images: {len(made)} taken in, {len(made.unreadable)} left out")
    print(output)
    return 0


def export(
    index: Annotated[Path, Parameter(help="an index of images")],
    *,
    output: Annotated[
        Path,
        Parameter(
            ["--output", "-o"],
            help="what to write; its ending says for what: .html, .parquet, .json or a folder",
        ),
    ],
    to: Annotated[
        Literal["page", "atlas", "projector", "fiftyone"] | None,
        Parameter(help="a page to zoom, Embedding Atlas, TensorBoard's projector, FiftyOne"),
    ] = None,
    method: Annotated[
        Literal["tsne", "pca", "isomap", "umap"], Parameter(help="how the map is laid out")
    ] = "tsne",
) -> int:
    """Write a collection and its map as a page, or for another program."""
    from convscope.collection import export as write
    from convscope.collection import open_index

    print(write(open_index(index), output, to, method))
    return 0


def _tell_of(made: Index, as_json: bool) -> int:
    from convscope.cli.tables import index_values, print_index

    if as_json:
        _print_json(index_values(made))
    else:
        print_index(made)
    return 0


def _counted(indexing: Indexing, title: str) -> Iterator[str]:
    """Follow an index in the making with a bar on a terminal; what was found damaged."""
    if not errors.is_terminal:
        for number, progress in enumerate(indexing):
            yield from progress.mended if number == 0 else ()
        return
    with _bar() as bar:
        task = bar.add_task(title, total=None, now="")
        begun, before = time.monotonic(), None
        for number, progress in enumerate(indexing):
            yield from progress.mended if number == 0 else ()
            before = progress.done if before is None else before
            speed = (progress.done - before) / max(1e-3, time.monotonic() - begun)
            now = f"{speed:.0f} images a second" if speed else ""
            bar.update(task, completed=progress.done, total=progress.total, now=now)


def ascend(
    recipe: Annotated[Path, Parameter(help="a recipe of your own, .toml or .json")],
    image: Annotated[
        str | None, Parameter(help=f"its photograph or a folder of them, or {_SAMPLES}")
    ] = None,
    *,
    seed: Annotated[int, Parameter(help="chooses the random numbers")] = 0,
    output: Output = None,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    random_weights: RandomWeights = False,
    device: Device = None,
    resume: Resume = False,
    json: Json = False,
) -> int:
    """Follow a recipe of your own from its file."""
    from convscope.runs import ascend as follow
    from convscope.runs import check_recipe

    check_recipe(recipe, photo=image is not None)

    def begin(net: Network, photo: Tensor | None) -> Run:
        return follow(net, recipe, photo, seed=seed)

    load = partial(_load, model, checkpoint, random_weights, device)
    return _make(recipe.stem, begin, load, image, output, resume, json)


def replay(
    picture: Annotated[Path, Parameter(help="a picture that convscope wrote")],
    *,
    output: Output = None,
    image: Annotated[
        str | None, Parameter(help="the photograph, if it lies elsewhere by now")
    ] = None,
    device: Device = None,
    resume: Resume = False,
    json: Json = False,
) -> int:
    """Make a picture again from the recipe that it carries."""
    from convscope.files import check_writable
    from convscope.replay import remake

    run = remake(picture, image=image, device=device)
    output = output or picture.with_stem(picture.stem + "-replay")
    check_writable(output)
    return _follow(run, output, json, resume)


def spectrum(
    folder: Annotated[Path, Parameter(help="photographs, in folders of it too")],
    *,
    output: Annotated[Path, Parameter(["--output", "-o"], help="the file to write")] = Path(
        "spectrum.npz"
    ),
) -> int:
    """Measure how strong each frequency is in photographs, for the start maco."""
    from convscope.files import check_writable, open_image
    from convscope.runs import folders
    from convscope.vocabulary import spectra

    if output.suffix != ".npz":
        raise ConvscopeError(f"a spectrum is a file that ends in .npz, not {output.name}")
    check_writable(output, picture=False)
    photographs = folders.photographs(folder)
    opened = (open_image(path) for path in _named(photographs, "spectrum", False))
    print(spectra.save(output, spectra.measure(opened)))
    return 0


def layers(
    *,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    random_weights: RandomWeights = False,
    contains: Annotated[str, Parameter(help="only names with this in them")] = "",
    json: Json = False,
) -> int:
    """List a network's layers: shape, stride, receptive field, parameters."""
    from convscope.cli.tables import layer_rows, print_layers

    net = _load(model, checkpoint, random_weights, "cpu")
    chosen = [layer for layer in net.layers if contains in layer.name]
    if not chosen:
        raise ConvscopeError(f"no layer of {net.name} has {contains!r} in its name")
    if json:
        _print_json(layer_rows(chosen))
    else:
        print_layers(net, chosen)
    return 0


def models(
    contains: Annotated[str, Parameter(help="only names with this in them")] = "",
    *,
    json: Json = False,
) -> int:
    """List the networks that can be loaded by name."""
    from convscope.network import zoo

    found = zoo.models(contains)
    if not found:
        raise ConvscopeError(f"no network has {contains!r} in its name")
    if json:
        _print_json(found)
    else:
        print("\n".join(found))
    return 0


def doctor(*, model: Model = DEFAULT_MODEL, json: Json = False) -> int:
    """Say what is installed, what is missing, and the command that mends it."""
    from convscope.cli.doctor import examine
    from convscope.cli.tables import print_checks

    checks = examine(model)
    if json:
        _print_json([check._asdict() for check in checks])
    else:
        print_checks(checks)
    return 1 if any(check.state == "broken" for check in checks) else 0


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
