"""Files of labels, in the formats that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.network.heads.labels import as_labels

RIGHT = ["cat", "dog, hound", "owl"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "cat\ndog, hound\nowl\n"),
        ("a.txt", "\ufeffcat\r\n  dog, hound \r\nowl\r\n\r\n"),
        ("a.names", "0: cat\n1: dog, hound\n2: owl"),
        ("a", "2 owl\n0 cat\n1 dog, hound"),
        ("a.json", '["cat", "dog, hound", "owl"]'),
        ("a.json", '{"0": "cat", "2": "owl", "1": "dog, hound"}'),
        ("a.json", '{"owl": 2, "cat": 0, "dog, hound": 1}'),
        ("a.json", '{"id2label": {"0": "cat", "1": "dog, hound", "2": "owl"}, "hidden_size": 8}'),
        ("a.json", '[{"id": 2, "name": "owl"}, {"id": 0, "name": "cat"},'
                   ' {"id": 1, "name": "dog, hound"}]'),
        ("data.yaml", "path: x\nnames:\n  0: cat\n  1: dog, hound\n  2: owl\n"),
        ("data.yml", "nc: 3\nnames: [cat, 'dog, hound', owl]\n"),
        ("a.csv", 'cat\n"dog, hound"\nowl\n'),
        ("a.csv", 'label\ncat\n"dog, hound"\nowl\n'),
        ("a.csv", 'id,name\n0,cat\n2,owl\n1,"dog, hound"\n'),
        ("a.csv", 'name,id\ncat,0\nowl,2\n"dog, hound",1\n'),
        ("a.tsv", "0\tcat\n1\tdog, hound\n2\towl\n"),
    ],
)  # fmt: skip
def test_formats(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert as_labels(path) == as_labels(str(path)) == RIGHT


def test_words_of_wordnet_keep_their_ids(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    assert as_labels(tmp_path / "a.txt") == ["tench, Tinca tinca, n01440764", "goldfish, n01443537"]
    (tmp_path / "a.json").write_text(
        '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}'
    )
    assert as_labels(tmp_path / "a.json") == ["tench, n01440764", "goldfish, n01443537"]


def test_labels_that_are_or_begin_with_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("7\n3\n5\n")
    assert as_labels(path) == ["7", "3", "5"]
    path.write_text("7 up\n3 musketeers\n")
    assert as_labels(path) == ["7 up", "3 musketeers"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "cat\n\nowl\n", "line 2 has no label"),
        ("a.txt", "", "line 1 has no label"),
        ("a.txt", "1 cat\n2 dog\n", "numbers the classes from 1 on; they count from 0"),
        ("a.txt", "\udcff", "a.txt holds no labels"),
        ("a.json", "[1, 2]", r"labels must be names \(texts\), not int"),
        ("a.json", "{", "a.json holds no labels"),
        ("a.json", "3", "a.json holds a int, not labels"),
        ("a.json", '{"0": "cat", "2": "owl"}', "no name for class 1"),
        ("a.json", '[{"id": 1, "name": "cat"}]', "the categories have no ids from 0 to 0"),
        ("a.yaml", "names: [no, yes]", "labels must be names"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "a.yaml holds no labels"),
        ("a.csv", "a,b,c\n1,2,3\n", "a column of labels, and may have one of class numbers"),
        ("a.csv", "x,y\ncat,dog\n", "a column of labels, and may have one of class numbers"),
    ],
)
def test_what_holds_no_labels(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConvscopeError, match=message):
        as_labels(path)


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match="no file of labels at"):
        as_labels(tmp_path / "nowhere.txt")
    with pytest.raises(ConvscopeError, match="no file of labels at"):
        as_labels(tmp_path)
    (tmp_path / "big.txt").write_bytes(b"a\n" * 2_100_000)
    with pytest.raises(ConvscopeError, match="too large for a file of labels"):
        as_labels(tmp_path / "big.txt")
