"""The errors that end in one clear line instead of a traceback."""

import signal
from typing import Any


class UserError(Exception):
    """Something the user asked for cannot be done: the message names the value, the rule and the fix."""


class Diverged(Exception):
    """Training met a number that is not finite: the message says at which step, `details` what was found, as JSON."""

    NOTE = "details: "
    """Starts the note that carries the details where only a traceback's text is passed on."""

    def __init__(self, message: str, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.details = details or {}


class Interrupted(SystemExit):
    """A signal asked the program to stop; `code` is the exit status that shells give it, 128 + its number.

    A SystemExit, because nothing that goes on past errors (a sweep, Hydra, a spawned process) may go on past this.
    """

    def __init__(self, signum: int):
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name
        self.command = ""
        """What is to be typed to go on."""

    def __str__(self) -> str:
        on = f"go on by: {self.command}" if self.command else "the same command with run_dir=… goes on with it"
        return f"stopped by {self.name}; what was trained is saved, {on}"
