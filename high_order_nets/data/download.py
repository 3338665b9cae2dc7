"""Files from the network: from the first of several places that has them, checked, whole or not at all."""

import hashlib
import http.client
import shutil
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..errors import UserError
from ..files import whole_file

TIMEOUT = 30.0
"""Seconds without an answer after which a download fails."""
HEADERS = {"User-Agent": f"high-order-nets/{__version__}"}
"""Some servers answer 403 to the name that urllib gives itself."""


def first_of(urls: Sequence[str], get: Callable[[str], None]) -> str | None:
    """Call `get` with one URL after the other until it raises nothing; if all fail, say where and why, on one line."""
    causes = []
    for url in urls:
        try:
            get(url)
        except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
            causes.append(f"{url} ({' '.join(str(error).split()) or type(error).__name__})")
        else:
            return None
    return " or ".join(causes) or "nowhere, for no URL is named"


def md5_of(path: Path) -> str:
    """Return the MD5 sum of a file, also where MD5 is barred from security."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new("md5", usedforsecurity=False)).hexdigest()


def download(url: str, path: Path, md5: str) -> None:
    """Fetch a file over HTTP; raises OSError or ValueError, and leaves nothing, where it does not come whole."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    request = urllib.request.Request(url, headers=HEADERS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, part.open("wb") as file:
            shutil.copyfileobj(answer, file)
        if (found := md5_of(part)) != md5:
            raise ValueError(f"its md5 is {found}, that of the official file is {md5}")


def extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Unpack these members of a zip archive, each to the path beside its name, and nothing else."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for name, path in members.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(name) as member, whole_file(path) as part, part.open("wb") as file:
                    shutil.copyfileobj(member, file)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{archive}: not the expected archive ({error}); delete it and run again") from error
