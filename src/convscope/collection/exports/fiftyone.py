"""A collection and its map for FiftyOne."""

from __future__ import annotations

import base64
import io
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convscope.collection.exports.columns import Columns, as_utf8
from convscope.files import write_file
from convscope.types import Array

INFO = {"made_by": "convscope"}

SAMPLES = ',\n "samples": ['  # behind the head of the dataset


def write_fiftyone(path: str | os.PathLike[str], columns: Columns, name: str = "convscope") -> Path:
    """Write a JSON file that FiftyOne opens:

        dataset = fiftyone.Dataset.from_json(PATH)

    Samples have the coordinates `x` and `y` and, if they are known, `ground_truth`, `prediction`
    with its confidence, and `embedding`. If the paths are relative, give `from_json` the folder
    that they start from: `rel_dir=FOLDER`.

    Args:
        path: the file.
        columns: what is known of the images.
        name: name of the dataset.

    Raises:
        ConvscopeError: the file cannot be written.
    """
    kind = "fiftyone.core.fields"
    label = f"{kind}.EmbeddedDocumentField(fiftyone.core.labels.Classification)"
    fields = {
        "filepath": f"{kind}.StringField",
        "tags": f"{kind}.ListField({kind}.StringField)",
        "ground_truth": label,
        "prediction": label,
        "x": f"{kind}.FloatField",
        "y": f"{kind}.FloatField",
        "embedding": f"{kind}.VectorField",
    }
    optional = {
        "ground_truth": columns.labels,
        "prediction": columns.predictions,
        "embedding": columns.embeddings,
    }
    for field, column in optional.items():
        if column is None:
            del fields[field]
    head = {"name": name, "media_type": "image", "sample_fields": fields, "info": INFO}

    def write(file: Path) -> None:
        with file.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(head, indent=1)[:-2] + SAMPLES)
            for i, sample in enumerate(_samples(columns)):
                lines.write((",\n" if i else "\n") + json.dumps(sample))
            lines.write("\n]}\n")

    return write_file(path, write, ours=is_dataset)


def is_dataset(file: Path) -> bool:
    """Whether a file is a dataset that convscope wrote."""
    with file.open(encoding="utf-8") as opened:
        head = opened.read(10_000).partition(SAMPLES)[0]
    found: object = json.loads(head + "}")["info"]
    return found == INFO


def _samples(columns: Columns) -> Iterator[dict[str, object]]:
    for rows in columns.batches():
        for i in range(*rows.indices(len(columns.paths))):
            x, y = columns.places[i]
            sample: dict[str, object] = {
                "filepath": as_utf8(columns.paths[i]),
                "tags": [],
                "x": float(x),
                "y": float(y),
            }
            if columns.labels is not None:
                sample["ground_truth"] = _classification(columns.labels[i])
            if columns.predictions is not None:
                sample["prediction"] = _classification(
                    columns.predictions[i], columns.probability(i)
                )
            if columns.embeddings is not None:
                sample["embedding"] = _vector(columns.embeddings[i])
            yield sample


def _classification(
    label: str | None, probability: float | None = None
) -> dict[str, object] | None:
    if label is None:
        return None
    found: dict[str, object] = {"_cls": "Classification", "tags": [], "label": as_utf8(label)}
    return found if probability is None else {**found, "confidence": probability}


def _vector(values: Array) -> dict[str, object]:
    """An array as FiftyOne has it in JSON: compressed bytes of `numpy.save`."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values, np.float32), allow_pickle=False)
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"$binary": {"base64": data, "subType": "00"}}
