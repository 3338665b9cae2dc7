"""Where texts come from: files that are there, archives, a server; what is made of them; what is refused."""

import io
import json
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from high_order_nets.data import download
from high_order_nets.data.factory import located
from high_order_nets.data.text import files
from high_order_nets.data.text.corpus import TextRequest, load_corpus
from high_order_nets.data.text.files import WIKITEXT, Release
from high_order_nets.errors import UserError
from high_order_nets.paths import data_root
from tests.data.conftest import md5, write_files

NOWHERE = "http://127.0.0.1:9/"  # the discard port: the connection is refused
TEXT = {
    "wiki.train.tokens": " = Cats = \n \n A cat is a <unk> . \n",
    "wiki.valid.tokens": " A cat . \n",
    "wiki.test.tokens": " = a cat = \n \n",
}
COUNTS = {"train": 12, "valid": 4, "test": 6, "words": 9}
REAL = data_root() / "wikitext-2"


def archive(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, text in members.items():
            zipped.writestr(name, text)
    return stream.getvalue()


ARCHIVE = archive({f"wikitext-2/{name}": text for name, text in TEXT.items()} | {"../evil": "x", "wikitext-2/y": "x"})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A WikiText-2 of three lines."""
    monkeypatch.setitem(WIKITEXT, "wikitext2", Release("wikitext-2", md5(ARCHIVE), COUNTS))


def wanted(root: Path, **changes: Any) -> TextRequest:
    return replace(TextRequest("wikitext2", root), **changes)


def lay(root: Path, text: dict[str, str] = TEXT) -> Path:
    write_files(root / "wikitext-2", {name: lines.encode() for name, lines in text.items()})
    return root


def refusal(request: TextRequest) -> str:
    with pytest.raises(UserError) as refused:
        load_corpus(request)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_files_that_are_there_become_a_mapped_file(tmp_path: Path) -> None:
    corpus = load_corpus(wanted(lay(tmp_path)))
    assert corpus.tokenizer.words == ("<eos>", "=", "Cats", "A", "cat", "is", "a", "<unk>", ".")
    assert corpus.train.tolist() == [1, 2, 1, 0, 0, 3, 4, 5, 6, 7, 8, 0]
    assert corpus.valid.tolist() == [3, 4, 8, 0]
    assert corpus.test.dtype == torch.int32
    for path in (tmp_path / "wikitext-2").iterdir():
        path.unlink()
    again = load_corpus(wanted(tmp_path))
    assert torch.equal(again.train, corpus.train)
    assert again.tokenizer.state == corpus.tokenizer.state
    with safe_open(tmp_path / "wikitext-2.word.safetensors", framework="pt") as file:
        assert set(file.keys()) == {"train", "valid", "test"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".wikitext-2.word.lock",
        "wikitext-2",
        "wikitext-2.word.safetensors",
    ]


def test_byte_pairs_have_a_file_of_their_own(tmp_path: Path) -> None:
    corpus = load_corpus(wanted(lay(tmp_path), tokenizer="bpe", vocabulary=270))
    assert corpus.tokenizer.decode(corpus.valid.tolist()) == TEXT["wiki.valid.tokens"]
    assert (tmp_path / "wikitext-2.bpe270.safetensors").is_file()
    load_corpus(wanted(tmp_path))


def test_byte_pairs_without_their_library_are_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_corpus(wanted(lay(tmp_path), tokenizer="bpe", vocabulary=270))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for root in (tmp_path, tmp_path / "other"):  # where it is prepared, and where it would be fetched
        assert refusal(wanted(root, tokenizer="bpe", vocabulary=270)).startswith("tokenizer=bpe: needs the library")


def test_another_number_of_tokens_is_refused_but_as_ones_own_text(tmp_path: Path) -> None:
    lay(tmp_path, TEXT | {"wiki.train.tokens": "A cat = a <unk> . \n"})
    for tokenizer, words in (("word", ", words 7 instead of 9"), ("bpe", "")):
        said = refusal(wanted(tmp_path, tokenizer=tokenizer))
        folder = tmp_path / "wikitext-2"
        assert said == (
            f"{folder}: not wikitext-2, by its numbers of tokens: train 7 instead of 12{words}; delete it and run "
            f"again, or take it as it is by dataset=text dataset.path={folder}"
        )
    assert not list(tmp_path.glob("*.safetensors*"))
    assert len(load_corpus(wanted(tmp_path, name="text", path=tmp_path / "wikitext-2")).train) == 7


def test_articles_in_another_order_are_the_same_text(tmp_path: Path) -> None:
    lines = TEXT["wiki.train.tokens"].splitlines(keepends=True)
    corpus = load_corpus(wanted(lay(tmp_path, TEXT | {"wiki.train.tokens": "".join(reversed(lines))})))
    assert len(corpus.tokenizer) == 9


def test_the_archive_is_fetched_from_the_first_address_that_has_it(tmp_path: Path, server: Any) -> None:
    write_files(server.folder, {"a.zip": b"<html>", "b.zip": ARCHIVE})
    root = tmp_path / "root"
    urls = (f"{NOWHERE}x.zip", f"{server.url}none.zip", f"{server.url}a.zip", f"{server.url}b.zip")
    assert len(load_corpus(wanted(root, urls=urls)).train) == 12
    assert server.fetched == ["/none.zip", "/a.zip", "/b.zip"]
    assert {path.name for path in (root / "wikitext-2").iterdir()} == set(TEXT)
    assert not (tmp_path / "evil").exists()
    assert not list(root.rglob("*.part"))


def test_no_text_and_no_network_says_what_to_do(tmp_path: Path, server: Any) -> None:
    write_files(server.folder, {"cut.zip": ARCHIVE[:-9]})
    urls = (f"{NOWHERE}x.zip", f"{server.url}cut.zip", "file:///etc/passwd")
    said = refusal(wanted(tmp_path / "root", urls=urls))
    for part in (*urls, str(tmp_path / "root" / "wikitext-2"), "dataset.urls", "dataset=sentences", "its md5 is"):
        assert part in said
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".wikitext-2.word.lock"]
    assert "no URL is named" in refusal(wanted(tmp_path / "root"))


def test_a_server_that_says_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x.zip"
        assert "timed out" in refusal(wanted(tmp_path, urls=(url,)))


def test_an_archive_that_lies_there_is_not_fetched(tmp_path: Path) -> None:
    write_files(tmp_path, {"wikitext-2-v1.zip": ARCHIVE})
    assert len(load_corpus(wanted(tmp_path, urls=(NOWHERE,))).test) == 6


@pytest.mark.parametrize("payload", [b"no zip", archive({"wikitext-2/wiki.train.tokens": "a"})])
def test_an_archive_of_other_things_is_refused(payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WIKITEXT, "wikitext2", Release("wikitext-2", md5(payload), COUNTS))
    write_files(tmp_path, {"wikitext-2-v1.zip": payload})
    assert refusal(wanted(tmp_path)).startswith(f"{tmp_path}/wikitext-2-v1.zip: not the expected archive (")


def test_a_folder_that_cannot_be_written_uses_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    roots = [lay(tmp_path / name) for name in ("one", "two")]
    lines = list(reversed(TEXT["wiki.train.tokens"].splitlines(keepends=True)))
    lay(roots[1], TEXT | {"wiki.train.tokens": "".join(lines)})
    make = Path.mkdir

    def refuse(path: Path, *args: Any, **options: Any) -> None:
        if path in roots:
            raise PermissionError(13, "no")
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    for _ in range(2):
        first, second = (load_corpus(wanted(root)) for root in roots)
        assert first.train.tolist() != second.train.tolist()
    assert len(list((tmp_path / "cache" / "high-order-nets").glob("*.safetensors"))) == 2


def write_prepared(path: Path, changes: dict[str, Any], **metadata: Any) -> None:
    splits = {split: torch.zeros(3, dtype=torch.int32) for split in ("train", "valid", "test")} | changes
    known = {"dataset": "wikitext-2", "tokenizer": json.dumps({"kind": "word", "words": ["<eos>"]})} | metadata
    save_file({key: value for key, value in splits.items() if value is not None}, path, known)


@pytest.mark.parametrize(
    ("changes", "metadata", "reason"),
    [
        ({"train": torch.zeros(3)}, {}, "train is torch.float32"),
        ({"valid": torch.zeros(3, 1, dtype=torch.int32)}, {}, r"valid is torch.int32 \(3, 1\)"),
        ({"test": torch.ones(3, dtype=torch.int32)}, {}, r"test has tokens outside 0 … 0"),
        ({"test": -torch.ones(3, dtype=torch.int32)}, {}, r"test has tokens outside"),
        ({"test": None}, {}, "test"),
        ({}, {"dataset": "other"}, "dataset is 'other'"),
        ({}, {"tokenizer": "{"}, "Expecting property name"),
        ({}, {"tokenizer": "[" * 100_000}, "recursion"),
        ({}, {"tokenizer": "{}"}, "not the state of a tokenizer"),
    ],
)
def test_foreign_files_are_refused(
    tmp_path: Path, changes: dict[str, Any], metadata: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "wikitext-2.word.safetensors"
    write_prepared(path, {})
    assert len(load_corpus(wanted(tmp_path)).train) == 3
    write_prepared(path, changes, **metadata)
    with pytest.raises(UserError, match=rf"is not a prepared wikitext-2 \(.*{reason}.*\): delete it and run again$"):
        load_corpus(wanted(tmp_path))
    path.write_bytes(b"x" * 99)
    assert refusal(wanted(tmp_path)).startswith(f"{path} is not a prepared")


# --- one's own


def own(path: Path, root: Path, **changes: Any) -> TextRequest:
    return replace(TextRequest("text", root, path=path), **changes)


def test_a_file_of_ones_own_is_split_in_order(tmp_path: Path) -> None:
    book = tmp_path / "my book.txt"
    book.write_text("".join(f"line {number}\n" for number in range(20)), encoding="utf-8")
    request = own(book, tmp_path / "root", val_fraction=0.2, min_count=2)
    corpus = load_corpus(request)
    assert corpus.tokenizer.decode(corpus.train[:6].tolist()) == "line <unk>\nline <unk>\n"
    assert [len(each) // 3 for each in (corpus.train, corpus.valid, corpus.test)] == [14, 4, 2]
    (prepared,) = (tmp_path / "root").glob("*.safetensors")
    assert prepared.name.startswith("my_book-")
    assert prepared.name.endswith(".word2.safetensors")
    assert not len(load_corpus(replace(request, val_fraction=0.0)).valid)
    book.write_text("line a\n" * 20, encoding="utf-8")
    assert load_corpus(request).tokenizer.decode(load_corpus(request).test.tolist()) == "line a\n" * 2


def test_a_folder_of_ones_own_has_a_file_a_split(tmp_path: Path) -> None:
    texts = {"train.txt": "a b a\n", "valid.txt": "b\n", "test.tokens": "a\r\nb"}
    write_files(tmp_path / "own", {name: text.encode() for name, text in texts.items()})
    corpus = load_corpus(own(tmp_path / "own", tmp_path))
    assert [each.tolist() for each in (corpus.train, corpus.valid, corpus.test)] == [[0, 1, 0, 2], [1, 2], [0, 2, 1, 2]]
    (tmp_path / "own" / "valid.txt").write_text("c\n")
    said = refusal(own(tmp_path / "own", tmp_path))
    assert "valid: unknown word c: not among the 3 of the training text" in said
    assert "dataset.min_count=2" in said
    load_corpus(own(tmp_path / "own", tmp_path, tokenizer="bpe"))
    (tmp_path / "own" / "train.tokens").touch()
    assert "has both train.tokens and train.txt" in refusal(own(tmp_path / "own", tmp_path))
    (tmp_path / "own" / "test.tokens").unlink()
    (tmp_path / "own" / "train.txt").unlink()
    assert "has no test.txt or test.tokens" in refusal(own(tmp_path / "own", tmp_path))


def test_what_is_no_text_of_ones_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe\x00")
    assert "not text in UTF-8" in refusal(own(tmp_path / "x.txt", tmp_path))
    (tmp_path / "x.txt").write_text("one line alone\n")
    assert "use other fractions, or a longer text" in refusal(own(tmp_path / "x.txt", tmp_path))
    assert "no such file or folder" in refusal(own(tmp_path / "y.txt", tmp_path))
    assert refusal(TextRequest("text", tmp_path)).startswith("dataset.path=null: name a text file")
    assert refusal(TextRequest("books", tmp_path)).startswith("dataset.name=books: unknown text")


def test_the_splits_of_a_file_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.txt").write_text("a b\n" * 30)
    read, asked = files.read_lines, []

    def counted(path: Path) -> Any:
        asked.append(path)
        return read(path)

    monkeypatch.setattr(files, "read_lines", counted)
    load_corpus(own(tmp_path / "x.txt", tmp_path))
    assert len(asked) == 1


# --- elsewhere


def test_a_checkpoint_finds_the_text_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path / "here"))
    config = {"dataset": {"kind": "text", "name": "wikitext2", "root": str(tmp_path / "there")}}
    assert located(config)["dataset"]["root"] == str(tmp_path / "here")
    write_prepared(tmp_path / "wikitext-2.word.safetensors", {})
    config["dataset"]["root"] = str(tmp_path)
    assert located(config)["dataset"]["root"] == str(tmp_path)
    config["dataset"]["name"] = "sentences"
    assert located(config)["dataset"]["root"] == str(tmp_path)


@pytest.mark.skipif(not (REAL / "wiki.train.tokens").is_file(), reason="needs the real WikiText-2 in the data's folder")
def test_the_real_wikitext2_has_its_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "wikitext-2").symlink_to(REAL)
    corpus = load_corpus(wanted(tmp_path))
    assert [len(each) for each in (corpus.train, corpus.valid, corpus.test)] == [2_088_628, 217_646, 245_569]
    assert len(corpus.tokenizer) == 33_278
    assert corpus.tokenizer.decode(corpus.test[:10].tolist()) == "\n= Robert <unk> =\n\nRobert <unk> is"


def test_wikitexts_files_may_lie_anywhere(tmp_path: Path) -> None:
    folder, empty = lay(tmp_path) / "wikitext-2", tmp_path / "empty"
    empty.mkdir()
    corpus = load_corpus(wanted(tmp_path / "root", path=folder))
    assert len(corpus.train) == 12
    assert (folder / "wikitext-2.word.safetensors").is_file()
    assert not (tmp_path / "root").exists()
    assert "no such folder" in refusal(wanted(tmp_path / "root", path=tmp_path / "none"))
    assert "does not hold wiki" in refusal(wanted(tmp_path / "root", path=empty))
    assert not (tmp_path / "none").exists()
