"""Pictures in formats that are not opened: what they are, and what opens them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

HEIC = frozenset({".heic", ".heif", ".hif"})

_RAW = (
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .gpr .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf"
    " .rw2 .rwl .sr2 .srf .srw .x3f"
)
_NAMED = {
    "a raw photograph": _RAW,
    "HEIC": " ".join(HEIC),
    "SVG": ".svg .svgz",
    "PostScript": ".eps .ps .ai",
    "Photoshop's format": ".psd .psb",
    "JPEG XL": ".jxl",
    "JPEG XR": ".jxr .wdp .hdp",
    "GIMP's format": ".xcf",
    "OpenEXR": ".exr",
    "Radiance HDR": ".hdr",
    "DICOM": ".dcm",
    "FITS": ".fits .fit .fts",
    "a format of Windows": ".wmf .emf .cur .dds",
    "a format of icons": ".icns",
    "an old format": ".pcx .pam .pcd .pict .pct .qoi .ras .rgb .sgi .xbm .xpm .dpx .cin",
}

NAMES: Mapping[str, str] = {
    ending: name for name, endings in _NAMED.items() for ending in endings.split()
}

RAW = frozenset(_RAW.split())

INSTALL = "pip install 'convscope[heic]'"
CONVERT = "convert it to JPEG or PNG"

SHOWN = 3


def opens_heic() -> bool:
    return find_spec("pillow_heif") is not None


def reason_for(path: str | os.PathLike[str]) -> str:
    """Why a picture is not opened, by the ending of its name; "" if nothing is known against it."""
    ending = _ending(path)
    name = NAMES.get(ending)
    if name is None or (ending in HEIC and opens_heic()):
        return ""
    if ending in HEIC:
        return f"it is HEIC, which {INSTALL} opens"
    return f"it is {name}, which is not opened here; {CONVERT}"


def told(paths: Sequence[str | os.PathLike[str]]) -> str:
    """One line that counts and names pictures that are not opened, and says what to do."""
    names = ", ".join(os.path.basename(os.fspath(path)) for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    pictures = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
    heic = sum(_ending(path) in HEIC for path in paths)
    advice = [f"{INSTALL} opens HEIC"] if heic else []
    if heic < len(paths):
        advice.append("convert the others to JPEG or PNG" if heic else "convert to JPEG or PNG")
    return f"{pictures} not opened: {names}{more}; {'; '.join(advice)}"


def _ending(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(os.fspath(path))[1].lower()
