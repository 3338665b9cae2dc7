"""A terminal of a given width: what a command leaves on its screen, scrolled lines included."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

TOKEN = re.compile(r"\x1b\[(?P<codes>[?\d;]*)(?P<final>[A-Za-z])|(?P<control>[\r\n\x08])|(?P<text>[^\x1b\r\n\x08])")


def screen_of(command: Sequence[str], width: int, env: Mapping[str, str] | None = None) -> list[str]:
    """Run a command in a terminal; the lines that can be read at its end."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "", "LINES": ""} | dict(env or {})
    environment = {key: value for key, value in environment.items() if value}
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environment, close_fds=True) as process:
        os.close(side)
        output = b""
        while True:
            try:
                chunk = os.read(main, 65536)
            except OSError:  # closed on the other side
                break
            if not chunk:
                break
            output += chunk
    os.close(main)
    assert process.returncode == 0, output.decode()
    return drawn(output.decode(), width)


def drawn(output: str, width: int) -> list[str]:
    """Draw what a program wrote: text with wrapping, the cursor up and down, erased lines."""
    lines, row, column = [[]], 0, 0
    for token in TOKEN.finditer(output):
        if token["final"]:
            count = int(token["codes"]) if token["codes"].isdigit() else 1
            if token["final"] == "A":
                row = max(0, row - count)
            elif token["final"] == "K":
                lines[row] = [] if token["codes"] == "2" else lines[row][:column]
        elif token["control"] == "\r":
            column = 0
        elif token["control"] == "\n":
            row, column = row + 1, 0
        elif token["control"] == "\x08":
            column = max(0, column - 1)
        else:
            if column >= width:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = token["text"]
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    return ["".join(line).rstrip() for line in lines]
