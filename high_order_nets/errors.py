"""The errors that end in one clear line instead of a traceback."""


class UserError(Exception):
    """Something the user asked for cannot be done: the message names the value, the rule and the fix."""


class Diverged(Exception):
    """Training met a non-finite loss: the message says at which step."""
