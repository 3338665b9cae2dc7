"""A CSV of paths and labels: how it is read, and which is refused, in a line that names the lines."""

from pathlib import Path

import pytest
import torch

from tests.data.images.own.real import digits, load, refused, save, write_csv, write_rows

HEAD = ("path", "label", "split")


def laid(folder: Path, *rows: tuple, head: tuple = HEAD) -> Path:
    """Write a CSV with these rows beside the images a0, …, a9 and b0, …, b9."""
    for name in (f"{label}{number}.png" for label in "ab" for number in range(10)):
        save(folder / name)
    return write_rows(folder / "mine.csv", [head, *rows])


def refusal(path: Path) -> str:
    said = refused("csv", path)
    assert said.startswith(f"dataset.path={path}")
    return said.removeprefix(f"dataset.path={path}")


def test_images_and_labels_are_those_of_the_rows(tmp_path: Path) -> None:
    data = load("csv", write_csv(tmp_path))
    assert data.classes == tuple("0123456789")
    for split, (images, labels) in digits().items():
        assert torch.equal(getattr(data, f"{split}_images")[:, 0], torch.from_numpy(images))
        assert getattr(data, f"{split}_labels").tolist() == labels.tolist()


def test_words_other_columns_and_a_byte_order_mark(tmp_path: Path) -> None:
    rows = [(f" {label}{n}.png", "w", f'"{label}", it says ') for label in "ab" for n in range(10)]
    path = laid(tmp_path, *rows, head=("Path", "weather", "LABEL"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    data = load("csv", path)
    assert data.classes == ('"a", it says', '"b", it says')
    assert (len(data.train_images), data.test_labels.tolist()) == (16, [0, 0, 1, 1])


def test_splits_by_their_names(tmp_path: Path) -> None:
    path = laid(tmp_path, *((f"{c}{n}.png", c, s) for c in "ab" for n, s in enumerate(("Train", "valid", "TEST"))))
    data = load("csv", path)
    assert (len(data.train_images), data.validation, len(data.test_images)) == (4, 2, 2)


def test_missing_files_are_named_with_their_lines(tmp_path: Path) -> None:
    rows = [("a0.png", "a", "train"), ("", "", "")[:0], *((f"gone{n}.png", "b", "train") for n in range(12))]
    said = refusal(laid(tmp_path, *rows))
    assert said.startswith(f": names what is no file in {tmp_path}: gone0.png (line 4), gone1.png (line 5), ")
    assert said.endswith("gone9.png (line 13), … (12 in all)")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a0.png", "a", "train"), ("a0.png", "b", "train")], ": lines 2 and 3 both name a0.png, as a, train, and b"),
        ([("a0.png", "a", "train"), ("./a0.png", "a", "test")], ": lines 2 and 3 both name ./a0.png, as a, train, and"),
        ([("a0.png", "", "train")], ": line 2 has no label"),
        ([("a0.png", "a", "training")], ": line 2 has the split 'training'; expected train, val or test"),
        ([("a0.png", "a")], ": line 2 has 2 values for 3 columns"),
        ([("a0.png", "a", "test")], ": no row to train on; expected the columns path and label"),
        ([], ": no row to train on"),
        ([("../x.png", "a", "train")], ", line 2: ../x.png: leads out of "),
        ([("/etc/passwd", "a", "train")], ", line 2: /etc/passwd: leads out of "),
        ([("link.png", "a", "train")], ", line 2: link.png: leads out of "),
        ([("a0.png", "a", "train"), (".", "b", "train")], ": names what is no file in "),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[tuple], said: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "link.png").symlink_to("/etc/passwd")
    assert refusal(laid(tmp_path / "x", *rows)).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its first row is empty; expected path,label or path,label,split"),
        (b"x,y\n1,2\n", "its first row is x,y; expected path,label"),
        (b"path,label,path\n", "its first row is path,label,path; expected"),
        (b"path,label\n\xff\xfe,a\n", "cannot be read: 'utf-8' codec"),
        (b"path,label\na\x00.png,a\n", "line 2 has no path"),
        (b'path,label\n"' + b"x" * 2_000_000 + b'",a\n', "cannot be read: field larger than field limit"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    assert refusal(tmp_path / "mine.csv").startswith(f": {said}")
