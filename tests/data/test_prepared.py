"""What is made once, by whoever comes first, in the data's folder or in the user's cache."""

import errno
import re
from pathlib import Path

import pytest

from high_order_nets.data import prepared as room
from high_order_nets.data.prepared import cache_folder, prepared
from high_order_nets.errors import UserError


class Maker:
    """Makes a file, but in a folder that cannot be written, and says where it was asked to."""

    def __init__(self, barred: tuple[Path, ...] = (), number: int = errno.EACCES):
        self.barred, self.number, self.made = barred, number, list[Path]()

    def __call__(self, path: Path) -> None:
        if path.parent in self.barred:
            raise OSError(self.number, "no")
        self.made.append(path)
        path.touch()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "high-order-nets"


def test_a_file_is_made_once(tmp_path: Path) -> None:
    make, path = Maker(), tmp_path / "new" / "x.safetensors"
    for _ in range(2):
        assert prepared(path, make, lambda: True) == path
    room._make_once(path, make)  # by one who did not see it, and waited for the lock
    assert make.made == [path]


@pytest.mark.parametrize("name", [None, "x-of-here.safetensors"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_served_from_the_cache(
    number: int, name: str | None, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, path = Maker((tmp_path,), number), tmp_path / "x.safetensors"
    cached = cache / (name or path.name)
    with caplog.at_level("INFO"):
        for _ in range(2):
            assert prepared(path, make, lambda: True, (lambda: name) if name else None) == cached
    assert make.made == [cached]
    assert caplog.messages == [f"{tmp_path} cannot be written: the prepared file goes to {cached}"]


@pytest.mark.parametrize(
    ("number", "there", "cache_too"),
    [(errno.ENOSPC, True, False), (errno.EACCES, False, False), (errno.EACCES, True, True)],
)
def test_where_nothing_can_be_written_the_folder_is_named(
    number: int, there: bool, cache_too: bool, tmp_path: Path, cache: Path
) -> None:
    make = Maker((tmp_path, cache) if cache_too else (tmp_path,), number)
    folder = cache if cache_too else tmp_path
    error = OSError(number, "no")
    message = f"cannot prepare {folder / 'x.safetensors'}: {error}; dataset.root must be a folder that can be written"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        prepared(tmp_path / "x.safetensors", make, lambda: there)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache" / "high-order-nets"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "high-order-nets"
