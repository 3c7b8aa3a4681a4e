"""The images of a session. The browser knows them by opaque ids, never by paths."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from convscope import __version__
from convscope.errors import ConvscopeError, in_one_line, reason, shortened, unknown
from convscope.files import anything, read_json, write_file, write_json
from convscope.web.messages import Picture, Source
from convscope.web.models import ImageInfo
from convscope.web.questions import Questions

FOLDER = "images"  # of the uploads, in the folder of runs

# The photographs of scikit-image with their widths and heights, which need not be opened.
SAMPLES: Mapping[str, tuple[int, int]] = {
    "chelsea": (451, 300),
    "coffee": (600, 400),
    "rocket": (640, 427),
    "astronaut": (512, 512),
}

SIZES: Mapping[str, int] = {"thumbnail": 320, "full": 2048}  # pixels of the longer side

NAMED = 40  # letters of its name in the file of an upload

KEPT = 32_000_000  # bytes of encoded pictures that are kept in memory


@dataclass(frozen=True)
class Image:
    """An image that has not been opened. Of some, the width and the height are known."""

    id: str
    name: str
    kind: Literal["sample", "file", "upload"]
    source: Source
    size: tuple[int, int] | None = None


class Images:
    """All images of a session: samples, those of the command line, and uploads.

    Args:
        folder: the folder of runs, for the uploads.
        files: the images of the command line: paths, or names of samples.
        questions: opens them.
    """

    def __init__(self, folder: Path, files: Sequence[str], questions: Questions) -> None:
        self._folder = folder / FOLDER
        self._questions = questions
        self._files = files
        self._images: dict[str, Image] = {}
        self._infos: dict[str, ImageInfo] = {}
        self._pictures: OrderedDict[tuple[str, str], Picture] = OrderedDict()

    def load(self) -> None:
        """Find all images: those of the command line first, then uploads, then samples.

        Raises:
            ConvscopeError: a file of the command line does not exist.
        """
        for file in self._files:
            self._add(_of_command_line(file))
        if self._folder.is_dir():
            for note in sorted(self._folder.glob("*.json"), key=lambda one: one.stat().st_mtime):
                if upload := self._uploaded(note):
                    self._add(upload)
        for name in SAMPLES:
            self._add(_sample(name))

    def _uploaded(self, note: Path) -> Image | None:
        """The upload that a note is about; None if there is none."""
        found = read_json(note) or {}
        file = self._folder / str(found.get("file"))
        try:
            info = ImageInfo.model_validate(found.get("image"))
        except ValidationError:
            return None
        if info.id != note.stem or file.parent != self._folder or not file.is_file():
            return None
        return Image(info.id, info.name, "upload", file, (info.width, info.height))

    def _add(self, image: Image) -> Image:
        return self._images.setdefault(image.id, image)

    def sources(self) -> dict[str, Source]:
        """Where the images are, by id."""
        return {id: image.source for id, image in self._images.items()}

    def get(self, id: str) -> Image | None:
        """An image by its id."""
        return self._images.get(id)

    async def infos(self) -> list[ImageInfo]:
        """What is known of all images; of one that cannot be opened, why."""
        return [await self.info(image) for image in list(self._images.values())]

    async def info(self, image: Image) -> ImageInfo:
        """What is known of an image."""
        if image.id not in self._infos:
            size, problem = image.size or (0, 0), None
            if image.size is None:
                try:
                    picture = await self.picture(image, "thumbnail")
                    size = picture.width, picture.height
                except ConvscopeError as error:
                    problem = str(error)
            self._infos[image.id] = ImageInfo(
                id=image.id,
                name=image.name,
                width=size[0],
                height=size[1],
                kind=image.kind,
                problem=problem,
            )
        return self._infos[image.id]

    async def picture(self, image: Image, size: str) -> Picture:
        """An image as a picture that was encoded anew, so that no file of a stranger is served.

        Raises:
            ConvscopeError: it cannot be opened.
        """
        key = (image.id, size)
        if key not in self._pictures:
            arguments = {"image": image.source, "largest": SIZES[size]}
            self._pictures[key] = await self._questions.ask("picture", **arguments)
        self._pictures.move_to_end(key)
        found = self._pictures[key]
        while sum(len(one.data) for one in self._pictures.values()) > KEPT:
            self._pictures.popitem(last=False)
        return found

    async def upload(self, name: str, content: IO[bytes]) -> ImageInfo:
        """Keep an upload, if it can be opened.

        Raises:
            ConvscopeError: it is no image, or one that is too large; nothing is kept.
        """
        id = await asyncio.to_thread(_digest, content)
        if id in self._images:
            return await self.info(self._images[id])
        name = shortened(in_one_line(name), 100)
        file = self._folder / f"{id}{_as_file(name)}"
        await asyncio.to_thread(self._write, file, content)
        image = Image(id, name, "upload", file)
        info = await self.info(image)
        if info.problem is not None:
            del self._infos[id]
            file.unlink(missing_ok=True)
            raise ConvscopeError(info.problem.replace(str(file), name))
        await asyncio.to_thread(self._note, file, info)
        self._add(image)
        return info

    def _write(self, file: Path, content: IO[bytes]) -> None:
        content.seek(0)

        def copy(path: Path) -> None:
            with path.open("wb") as opened:
                shutil.copyfileobj(content, opened)

        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot write {self._folder} ({reason(error)})") from error
        write_file(file, copy, ours=anything)  # named after its content

    def _note(self, file: Path, info: ImageInfo) -> None:
        """Write what makes a file one of the images, also when the server starts again."""
        note = {"convscope": __version__, "file": file.name, "image": info.model_dump(mode="json")}
        write_json(self._folder / f"{info.id}.json", note, ours=_is_note)


def _is_note(file: Path) -> bool:
    return "convscope" in (read_json(file) or {})


def _sample(name: str) -> Image:
    if name not in SAMPLES:
        raise unknown("sample", name, SAMPLES)
    source = f"sample:{name}"
    id = hashlib.sha256(source.encode()).hexdigest()[:16]
    return Image(id, name, "sample", source, SAMPLES[name])


def _of_command_line(name: str) -> Image:
    if name.startswith("sample:"):
        return _sample(name.removeprefix("sample:"))
    try:
        file = Path(name).resolve()
        with file.open("rb") as opened:
            return Image(_digest(opened), file.name, "file", file)
    except IsADirectoryError as error:
        raise ConvscopeError(
            f"{name} is a folder; name its photographs: {name.rstrip('/')}/*.jpg"
        ) from error
    except (OSError, ValueError) as error:
        raise ConvscopeError(f"{name!r} cannot be read ({reason(error)})") from error


def _digest(content: IO[bytes]) -> str:
    content.seek(0)
    found = hashlib.sha256()
    while part := content.read(2**20):
        found.update(part)
    return found.hexdigest()[:16]


def _as_file(name: str) -> str:
    """What stands behind the id of an upload, so that its copy on the disk is known by its name."""
    found = re.fullmatch(r"(.*?)(\.[A-Za-z0-9]{1,5})?", name, re.DOTALL)
    stem, ending = found.groups("") if found else (name, "")
    plain = re.sub(r"[^\w.-]+", "-", stem)[:NAMED].strip("-.")
    return f"-{plain}{ending.lower()}" if plain else ending.lower()
