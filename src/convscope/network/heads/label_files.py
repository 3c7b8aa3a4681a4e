"""Files with the names of classes, in the formats that training programs write."""

from __future__ import annotations

import csv
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, first_line

LARGEST = 4_000_000  # bytes

# What programs call the labels in a JSON or YAML file, and in a checkpoint: those of torchvision,
# Ultralytics, Hugging Face, fastai and Keras.
KEYS = (
    "labels",
    "classes",
    "names",
    "class_names",
    "classnames",
    "class_labels",
    "label_names",
    "class_list",
    "categories",
    "class_to_idx",
    "class_to_index",
    "idx_to_class",
    "index_to_class",
    "id2label",
    "label2id",
    "class_map",
    "class_mapping",
    "label_map",
    "vocab",
)
_HEADERS = {"label", "labels", "name", "names", "class", "classes", "class_name", "category"}
_SYNSET = re.compile(r"(n\d{8})\s+(\S.*)")
_NUMBERED = re.compile(r"(\d+)\s*[:;,\t ]\s*(\S.*)")


def read_labels(path: Path) -> Any:
    """The labels in a file, as `as_labels` takes them.

    A text file has a label a line, in the order of the classes, or after the number of its class,
    or after its WordNet id. A CSV file has a column of labels and, if there are two, one of class
    numbers. A JSON or YAML file holds a list, or a dict in either direction, also under a key such
    as "names".

    Raises:
        ConvscopeError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ConvscopeError(f"no file of labels at {path}")
    if path.stat().st_size > LARGEST:
        raise ConvscopeError(f"{path.name} is too large for a file of labels")
    try:
        text = path.read_text("utf-8-sig")
        match path.suffix.lower():
            case ".json":
                return _in_document(path, json.loads(text))
            case ".yaml" | ".yml":
                yaml: Any = importlib.import_module("yaml")  # it comes with timm
                return _in_document(path, yaml.safe_load(text))
            case ".csv" | ".tsv":
                return _in_table(path, text)
    except ConvscopeError:
        raise
    except Exception as error:  # each format has its own errors; all mean the same to the user
        raise ConvscopeError(f"{path.name} holds no labels ({first_line(error)})") from error
    return _in_lines(path, text)


def _in_document(path: Path, found: Any) -> Any:
    """The labels in a JSON or YAML document."""
    if isinstance(found, Mapping):
        named = [found[key] for key in KEYS if isinstance(found.get(key), list | dict)]
        found = named[0] if named else found
    if isinstance(found, Mapping):  # class numbers to lists, as in imagenet_class_index.json
        return {key: _of_list(value) for key, value in found.items()}
    if isinstance(found, list) and all(isinstance(one, Mapping) for one in found):
        pairs = [(one.get("id"), one.get("name")) for one in found]  # as in COCO's files
        if sorted(map(str, range(len(pairs)))) != sorted(str(number) for number, _ in pairs):
            raise ConvscopeError(
                f"{path.name}: the categories have no ids from 0 to {len(pairs) - 1}; give a file"
                " with one label a line"
            )
        return dict(pairs)
    if isinstance(found, list):
        return found
    raise ConvscopeError(f"{path.name} holds a {type(found).__name__}, not labels")


def _of_list(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(reversed(value))  # WordNet's id is first
    return value


def _in_lines(path: Path, text: str) -> Any:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    blank = next((number for number, line in enumerate(lines, 1) if not line), None)
    if blank is not None or not lines:
        raise ConvscopeError(f"{path.name}: line {blank or 1} has no label")
    synsets = [_SYNSET.fullmatch(line) for line in lines]
    if all(synsets):
        return [f"{found[2]}, {found[1]}" for found in synsets if found]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        pairs = [(int(found[1]), found[2]) for found in numbered if found]
        return _by_number(path, pairs) or lines
    return lines


def _in_table(path: Path, text: str) -> Any:
    """The labels in a table of one or two columns, with or without a line of headings."""
    dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), dialect)]
    rows = [row for row in rows if any(row)]
    widths = {len(row) for row in rows}
    if widths == {1}:
        headed = len(rows) > 1 and rows[0][0].lower() in _HEADERS
        return [row[0] for row in rows[headed:]]
    if widths == {2}:
        for body in (rows, rows[1:]):
            for number, label in ((0, 1), (1, 0)):
                if body and all(row[number].isdecimal() for row in body):
                    pairs = [(int(row[number]), row[label]) for row in body]
                    found = _by_number(path, pairs)
                    if found:
                        return found
    raise ConvscopeError(
        f"{path.name} must have a column of labels, and may have one of class numbers from 0 on"
    )


def _by_number(path: Path, pairs: Sequence[tuple[int, str]]) -> dict[int, str] | None:
    """Labels by class number, if these are the numbers from 0 on."""
    numbers = sorted(number for number, _ in pairs)
    if len(pairs) > 1 and numbers == list(range(1, len(pairs) + 1)):
        raise ConvscopeError(f"{path.name} numbers the classes from 1 on; they count from 0")
    return dict(pairs) if numbers == list(range(len(pairs))) else None
