"""The C++ compiler that `compile=true` needs where a CPU trains: torch calls it at the first step."""

import os
import shlex
import shutil
import sys

ADVICE = {
    "darwin": "xcode-select --install",
    "win32": "install the build tools of Visual Studio and start from their prompt",
}
OTHERWISE = "apt install g++, or what your system calls it; $CXX names another compiler"


def command() -> str:
    """Return what torch calls: $CXX, or the system's usual compiler."""
    return os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")


def found() -> str | None:
    """Return the path of the compiler; None where there is none."""
    words = shlex.split(command(), posix=sys.platform != "win32")
    return shutil.which(words[0]) if words else None


def advice() -> str:
    """Say how to get one."""
    return ADVICE.get(sys.platform, OTHERWISE)
