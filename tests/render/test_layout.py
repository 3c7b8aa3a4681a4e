"""Where things lie on a page: how many rows, how much is empty, and that words have room."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from convscope.render import draw, figure, fonts
from convscope.render.channels import in_colors
from convscope.render.page import Page, ticks, width_of, wrap
from convscope.runs import registry
from convscope.types.panels import (
    Bars,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Panel,
    Picture,
    Sheet,
)
from tests.helpers.networks import own_network, own_photograph
from tests.helpers.rows import INDEX, ROWS, indexed

LONG = "a label of more than forty letters for some class of things"
WORD = "Kraftfahrzeughaftpflichtversicherungsgesellschaft"


def runs(mask: Any) -> int:
    """How many stretches of a mask (n,) are True."""
    return int((np.diff(np.concatenate([[0], mask.astype(int)])) == 1).sum())


def rows_and_columns(picture: Image.Image) -> tuple[int, int]:
    black = np.asarray(picture.convert("L")) < 10
    return runs(black.any(1)), runs(black.any(0))


def empty(picture: Image.Image) -> float:
    """The largest white rectangle of a picture, as a fraction of it, in steps of ten pixels."""
    gray = np.asarray(picture.convert("L"))
    down, across = (length // 10 for length in gray.shape)
    white = gray[: down * 10, : across * 10].reshape(down, 10, across, 10).min((1, 3)) > 250
    best = 0
    for top in range(down):
        still = np.ones(across, bool)
        for bottom in range(top, down):
            still &= white[bottom]
            widest = max((len(list(g)) for on, g in itertools.groupby(still) if on), default=0)
            if not widest:
                break
            best = max(best, widest * (bottom - top + 1))
    return float(best / (down * across))


def texts(panels: tuple[Panel, ...]) -> tuple[Any, list[tuple[str, Any]]]:
    """The page and all texts on it with their boxes, by matplotlib's own renderer, in pixels."""
    with mpl.rc_context(figure._settings()):
        page = figure._page(in_colors(panels), Page)
        page.image()
        found = [one for one in page.figure.findobj(Text) if one.get_text().strip()]
        return page.figure.bbox, [(one.get_text(), one.get_window_extent()) for one in found]


def check_texts(panels: tuple[Panel, ...]) -> None:
    page, found = texts(panels)
    for words, box in found:
        assert box.x0 >= 0, words
        assert box.y0 >= 0, words
        assert box.x1 <= page.x1, words
        assert box.y1 <= page.y1, words
    for (one, a), (other, b) in itertools.combinations(found, 2):
        beside = min(a.x1, b.x1) - max(a.x0, b.x0) <= 1
        assert beside or min(a.y1, b.y1) - max(a.y0, b.y0) <= 2, f"{one!r} lies on {other!r}"


# ------------------------------------------------------------------------- rows and columns


@pytest.mark.parametrize(
    ("count", "ratio", "shape"),
    [
        (1, 1, (1, 1)),
        (4, 1, (2, 2)),
        (5, 1, (1, 5)),
        (16, 1, (4, 4)),
        (32, 1, (4, 8)),
        (64, 1, (8, 8)),
        (6, 3, (3, 2)),  # panoramas: twice three of them as wide as three of one
        (8, 1 / 3, (1, 8)),  # portraits stand beside each other
    ],
)
@pytest.mark.parametrize("kind", [Grid, Sheet])
def test_tiles_fill_their_rows(
    kind: type, count: int, ratio: float, shape: tuple[int, int]
) -> None:
    size = round(120 / ratio**0.5), round(120 * ratio**0.5)
    panel: Panel = Sheet((HeatMap(torch.zeros(size), ""),) * count)
    if kind is Grid:
        panel = Grid(torch.zeros(count, 1, *size), low=0, high=1)
    assert rows_and_columns(draw((panel,))) == shape


def test_tiles_beside_a_picture_are_about_as_high() -> None:
    """Alone 64 tiles are 8 x 8; beside a photograph they have fewer rows."""
    tiles = Grid(torch.zeros(64, 1, 150, 150), low=0, high=1)
    photo = Picture(torch.full((3, 100, 150), 0.5), "a photograph")
    picture = draw((photo, tiles))
    rows, columns = rows_and_columns(picture)
    assert 64 <= rows * columns < 70
    assert rows < 8
    assert picture.width > picture.height


def test_bars_stand_beside_maps_as_long_as_the_page_is_wide_enough() -> None:
    def drawn(methods: int) -> Image.Image:
        maps = (HeatMap(torch.zeros(100, 150), "", "a method"),) * (2 * methods)
        names = tuple(f"method {i}" for i in range(methods))
        bars = Bars(names, (0.5,) * methods, "rank correlation", "similarity")
        return draw((Sheet(maps, columns=methods, rows=("cat", "dog")), bars))

    for methods in (1, 2):  # neither is wide: they may stand on each other
        assert empty(drawn(methods)) < 0.3
    for methods in (3, 4, 6):
        beside = drawn(methods)
        maps = np.flatnonzero((np.asarray(beside.convert("L")) < 10).sum(0) > 30)
        bars = np.flatnonzero(blue(beside).sum(0) > 10)
        assert maps[-1] < bars[0], methods
    below = drawn(12)
    maps = np.flatnonzero((np.asarray(below.convert("L")) < 10).sum(1) > 300)
    bars = np.flatnonzero(blue(below).sum(1) > 30)
    assert maps[-1] < bars[0]
    assert np.ptp(np.flatnonzero(blue(below).any(0))) > 0.7 * below.width, "several columns"
    assert empty(below) < 0.15


def blue(picture: Image.Image) -> Any:
    return np.abs(np.asarray(picture, int) - (0x3B, 0x6E, 0xA5)).max(2) <= 2


@pytest.mark.parametrize("count", [1, 2, 5, 12, 30])
def test_bars_are_as_thick_for_few_as_for_many(count: int) -> None:
    picture = draw((Bars(tuple(map(str, range(count))), (1.0,) * count, "share"),))
    column = blue(picture)[:, np.flatnonzero(blue(picture).sum(0) > 5)[5]]
    thickness = column.sum() / runs(column)
    assert 15 < thickness < 75
    assert picture.width > 0.5 * picture.height


def test_what_belongs_together_stays_in_one_row() -> None:
    """A picture and bars for each of five images: the bars are right of their picture."""
    picture = Picture(torch.zeros(3, 90, 120), "seen")
    bars = Bars(("a", "b"), (0.5, 0.2), "probability", "prediction")
    drawn = draw((picture, bars) * 5)
    black = (np.asarray(drawn.convert("L")) < 10).sum(0) > 100
    both = sorted(
        [(x, "image") for x in edges(black)] + [(x, "bars") for x in edges(blue(drawn).sum(0) > 40)]
    )
    kinds = [kind for _, kind in both]
    assert kinds == ["image", "bars"] * (len(kinds) // 2)


def edges(mask: Any) -> list[int]:
    return np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int)])) == 1).tolist()


def test_the_last_row_is_the_one_that_is_not_full() -> None:
    shown = draw((Picture(torch.zeros(3, 90, 150), "one"),) * 5)
    rows = [np.asarray(shown.convert("L"))[y] < 10 for y in (200, shown.height - 100)]
    assert runs(rows[0]) > runs(rows[1])


# ------------------------------------------------------------------- every technique's picture


@pytest.fixture(scope="module")
def frames() -> dict[str, tuple[Panel, ...]]:
    net, photo = own_network(), own_photograph()
    shown = {}
    for name, row in ROWS.items():
        options = row | {"index": indexed(net)} if row.get("index") == INDEX else row
        technique = registry.get(name)
        *_, last = technique.run(**technique.inputs(net, photo), **options).frames()
        shown[name] = last.panels
    return shown


@pytest.mark.parametrize("name", ROWS)
def test_no_sheet_is_half_empty_and_all_words_have_room(
    frames: dict[str, tuple[Panel, ...]], name: str
) -> None:
    assert empty(draw(frames[name])) < 0.25
    check_texts(frames[name])


# --------------------------------------------------------------------------------- words

_FLAT = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
_PANORAMA, _PORTRAIT = _FLAT[:, :13].repeat(1, 1, 1), _FLAT[:, :, :13]


@pytest.mark.parametrize("word", [LONG, WORD, WORD * 4, "قطة منزلية كبيرة", "חתול בית", "猫"])
@pytest.mark.parametrize("photo", [_FLAT, _PANORAMA, _PORTRAIT], ids=["square", "wide", "high"])
def test_long_and_foreign_labels_stay_on_the_page_and_apart(word: str, photo: Any) -> None:
    over = HeatMap(_FLAT[0], "change of the score", word, photo, signed=True)
    check_texts((over, Bars((word, "cat", f"{word} 2"), (0.9, 0.1, -0.4), "share", word)))
    check_texts((Sheet((over,) * 6, word, columns=3, rows=(word, "cat")),))
    check_texts((Grid(photo.expand(7, -1, -1, -1), word, captions=(word,) * 7), over))
    check_texts((Curves((0.0, 1.0), {word: (0.0, 1.0), "b": (1.0, 1.0)}, word, word, word),))
    check_texts((Picture(photo, word), Histogram(photo, word, word)))


@pytest.mark.parametrize("value", [1e-9, 12345678.0, -0.25, 0.0])
def test_the_values_of_bars_fit(value: float) -> None:
    check_texts((Bars(("a", "b"), (value, value / 3), "share", "values"),))
    check_texts((Bars(("a", "b"), (value, -value), "share", "values"),))


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    lines = wrap(LONG * 9, 1.0, 7, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert max(width_of(line, 7) for line in lines) <= 1.0
    assert wrap("short", 1.0, 7, 1) == ["short"]


def test_letters_that_no_font_has_are_said_to_be_missing() -> None:
    known = Bars(("cat", "قطة"), (0.5, 0.2), "share")
    assert not any(fonts.NOTE in words for words, _ in texts((known,))[1])
    unknown = Bars(("猫 cat", "b"), (0.5, 0.2), "share")
    words = [words for words, _ in texts((unknown,))[1]]
    assert "\N{REPLACEMENT CHARACTER} cat" in words
    assert any(words.startswith("\N{REPLACEMENT CHARACTER} is a letter") for words in words)
    assert draw((unknown,)).height > draw((known,)).height


def test_a_further_font_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib brings STIX, which has a letter that DejaVu lacks."""
    letter = "\ue143"
    assert fonts.legible(letter) == "\N{REPLACEMENT CHARACTER}"
    monkeypatch.setattr(fonts, "FURTHER", ("No Such Font", "STIXNonUnicode"))
    caches = (fonts.families, fonts._fonts, fonts._drawn, width_of)
    try:
        for one in caches:
            one.cache_clear()
        assert fonts.families() == ("DejaVu Sans", "STIXNonUnicode")
        assert fonts.legible(letter) == letter
    finally:
        for one in caches:
            one.cache_clear()


# --------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("low", "high", "limit", "labels"),
    [
        (1, 6, 6, ["1", "2", "3", "4", "5", "6"]),
        (1, 3, 6, ["1", "2", "3"]),
        (1, 2, 8, ["1", "2"]),
        (0, 25, 6, ["0", "5", "10", "15", "20", "25"]),
        (0, 5, 3, ["0", "2", "4"]),
        (0, 250, 5, ["0", "50", "100", "150", "200", "250"]),
    ],
)
def test_whole_numbers_have_whole_ticks(
    low: float, high: float, limit: int, labels: list[str]
) -> None:
    assert ticks(low, high, limit, whole=True)[1] == labels


def numbers(panel: Panel) -> list[float]:
    """The numbers of the axis below a plot."""
    with mpl.rc_context(figure._settings()):
        (axes, *_) = figure._page([panel], Page).figure.axes
        return [float(value) for value in axes.get_xticks()]


def test_layers_steps_and_counts_have_no_halves() -> None:
    for last in (2, 3, 4, 7, 12, 100):
        x = tuple(map(float, range(1, last + 1)))
        found = numbers(Curves(x, {"error": (0.5,) * last}, "layer", ""))
        assert all(value == round(value) for value in found)
        counts = Bars(("a", "b"), (float(last), 1.0), "photographs", form=".0f")
        assert all(value == round(value) for value in numbers(counts))


# --------------------------------------------------------------------- whoever else draws


def test_the_style_of_a_user_is_neither_used_nor_changed() -> None:
    panels = (Bars(("a", "b"), (0.5, 0.2), "share", "caption"),)
    plain = draw(panels).tobytes()
    with mpl.rc_context({"axes.facecolor": "black", "axes.grid": True, "font.size": 30}):
        assert draw(panels).tobytes() == plain
        assert mpl.rcParams["font.size"] == 30


def test_threads_that_draw_leave_the_settings_as_they_were() -> None:
    before = dict(mpl.rcParams)
    panels = (Bars(("a", "b"), (0.5, 0.2), "share", "caption"),)
    expected, found = draw(panels).tobytes(), list[bytes]()
    threads = [
        threading.Thread(target=lambda: found.append(draw(panels).tobytes())) for _ in range(6)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [expected] * 6
    assert dict(mpl.rcParams) == before


# ------------------------------------------------------------------------ small pictures


@pytest.mark.parametrize(
    ("height", "width", "said"),
    [
        (32, 32, "tabby (32 px, enlarged 14 times)"),  # 3 inches are 450 pixels
        (40, 60, "tabby (60 x 40 px, enlarged 11 times)"),
        (200, 223, "tabby (223 x 200 px, enlarged 2 times)"),
        (16, 16, "tabby (16 px, enlarged 28 times)"),
    ],
)
def test_a_small_picture_to_look_at_is_enlarged_and_says_so(
    height: int, width: int, said: str
) -> None:
    rgb = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    panel = Picture(rgb, "tabby", enlarge=True)
    _, found = texts(tuple(figure._shown([panel])))
    assert " ".join(" ".join(words for words, _ in found).split()) == said
    factor = int(said.split()[-2])
    picture = np.asarray(draw((panel,)))
    assert picture.shape[1] == factor * width + 36
    inner = picture[-18 - factor * height : -18, 18:-18]
    if factor >= 3:  # squares
        expected = (rgb.permute(1, 2, 0) * 255).round().byte().numpy()
        np.testing.assert_array_equal(inner[factor // 2 :: factor, factor // 2 :: factor], expected)


def test_a_large_picture_or_one_that_is_data_keeps_its_pixels() -> None:
    for panel in (
        Picture(torch.rand(3, 224, 300), "a", enlarge=True),
        Picture(torch.rand(3, 9, 9)),
    ):
        assert draw((panel,)).size == panel.rgb.shape[:0:-1]
