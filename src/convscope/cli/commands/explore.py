"""`convscope explore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from convscope.cli.options import (
    DEFAULT_MODEL,
    NAMES,
    NETWORK,
    SAMPLES,
    SEVERAL,
    Device,
    LoadingOptions,
    maker,
)
from convscope.cli.terminal import tell
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.web.messages import Options

# Both come with convscope; the second draws better textures and styles.
DEFAULT_MODELS = (DEFAULT_MODEL, "squeezenet1_1")

SHORTEST = 16  # letters of a token that guards against a whole network of machines


def explore(
    *images: Annotated[str, Parameter(help=f"path of a photograph, or {SAMPLES}")],
    model: Annotated[
        tuple[str, ...],
        Parameter(
            help=f"{NAMES}; {SEVERAL}; by default {' and '.join(DEFAULT_MODELS)}, or the networks"
            " that made the indexes",
            metavar="NETWORK",
            group=NETWORK,
        ),
    ] = (),
    loading: LoadingOptions = LoadingOptions(),
    device: Device = None,
    index: Annotated[
        tuple[Path, ...],
        Parameter(help=f"index of a collection of images (see `convscope index`); {SEVERAL}"),
    ] = (),
    runs: Annotated[
        Path,
        Parameter(
            help="folder that keeps all runs and uploads, made if it does not exist; what is in it"
            " is there again the next time"
        ),
    ] = Path("convscope-runs"),
    port: Annotated[
        int | None, Parameter(help="port to listen on; by default 8642, or the next free one")
    ] = None,
    host: Annotated[
        str,
        Parameter(
            help="address to listen on; any but this machine's own needs a --token, and opens the"
            " explorer to the whole network",
            metavar="ADDRESS",
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        Parameter(
            help="secret in the explorer's address; by default a new one each time", metavar="TEXT"
        ),
    ] = None,
    no_browser: Annotated[bool, Parameter(help="do not open the browser")] = False,
) -> int:
    """Explore networks in the browser: run any technique live, on photographs or the camera.

    The pages come from this machine, and only from it. Ctrl-C ends the explorer; a run that is not
    done goes on the next time.
    """
    from convscope.web.explorer import Setup
    from convscope.web.processes import preload
    from convscope.web.security import Access
    from convscope.web.serving import PORT, listen, open_browser, serve
    from convscope.web.worker import main

    _check_host(host, token)
    preload("convscope.web.preloaded")
    setup = Setup(main, _options(model, loading, device, index), runs, images)
    listener = listen(host, port)
    access = Access(listener.getsockname()[1], host, *([token] if token else []))

    def ready() -> None:
        if port is None and access.port != PORT:
            tell(f"port {PORT} is in use; this explorer has port {access.port}")
        tell(f"the explorer is at {access.address} and keeps its runs in {runs}; Ctrl-C ends it")
        if not no_browser:
            open_browser(access.address)

    try:
        serve(setup, access, listener, ready)
    except KeyboardInterrupt:
        tell(f"the explorer has ended; its runs are in {runs}")
    return 0


def _check_host(host: str, token: str | None) -> None:
    from convscope.web.security import is_loopback

    if is_loopback(host):
        return
    if token is None or len(token) < SHORTEST:
        raise ConvscopeError(
            f"--host {host} lets others in your network use this machine and see your photographs,"
            f" all who know the token; what is sent is not encrypted. If you want that, give a"
            f" --token of at least {SHORTEST} letters; else leave --host out"
        )


def _options(
    models: tuple[str, ...], loading: LoadingOptions, device: str | None, indexes: tuple[Path, ...]
) -> Options:
    """What the workers are started with: networks n0, n1, ... and indexes i0, i1, ..."""
    from convscope.web.messages import Options

    given = loading.given
    if given and len(models) != 1:
        raise ConvscopeError(
            "options such as --checkpoint and --labels are for one network: give one --model"
        )
    for folder in indexes:
        if not folder.is_dir():
            raise ConvscopeError(f"there is no index at {folder}")
    found = [{"name": name, "pretrained": True, **given} for name in models] or _makers(indexes)
    found = found or [{"name": name, "pretrained": True} for name in DEFAULT_MODELS]
    networks = {f"n{i}": {**one, "device": device} for i, one in enumerate(found)}
    return Options(networks, {f"i{i}": folder.resolve() for i, folder in enumerate(indexes)})


def _makers(indexes: tuple[Path, ...]) -> list[dict[str, Any]]:
    """How the networks that made these indexes are loaded, each once."""
    makers = [maker(folder) for folder in indexes]
    return [one for i, one in enumerate(makers) if one and one not in makers[:i]]
