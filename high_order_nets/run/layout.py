"""Every file name of a run's folder, and which of its files is meant where the folder is named."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError

CONFIG = "config.yaml"
METRICS = "metrics.json"
HISTORY = "history.csv"
WEIGHTS, AVERAGED_WEIGHTS = "model.safetensors", "model.ema.safetensors"
PLOTS = "plots"
TENSORBOARD = "tensorboard"
LOGGED = "metrics.csv"
"""What logger=csv writes."""
LOGGERS = "loggers"
"""A folder with what loggers must know to go on: under which id, and what they have been given."""
LOCK = ".lock"
TRACE, OPERATIONS = "trace.json", "profile.txt"
"""What a profile leaves: what happened when, for chrome://tracing, and the table of the largest operations."""
CLASSES, CONFUSION = "classes.csv", "confusion.csv"
"""What a test of classes leaves: the accuracy of each, and which is taken for which."""
PREDICTIONS, TOKEN_LOSSES = "predictions.csv", "token_losses.csv"
"""What a test leaves where it is asked for: a row an image, or a token."""
TRIAL_LOG = "trial.log"
CHECKPOINTS = "checkpoints"
LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
"""The checkpoints of a run, in checkpoints/."""
OVERRIDES, JOB = ".hydra/overrides.yaml", ".hydra/hydra.yaml"
"""What Hydra leaves: the words of the command line; of a job its number."""
SWEEP = "sweep.json"
"""In a sweep's folder: the config of each of its jobs, in the order of their numbers."""

# What a folder stands for, the first that is there; a kill while the last one is replaced leaves the one before.
TESTED = (BEST, LAST, PREVIOUS)
DRAWN = (LAST, PREVIOUS)
USED = (WEIGHTS, BEST, LAST, PREVIOUS)
USED_OF = {"raw": USED, "ema": (AVERAGED_WEIGHTS, *USED[1:])}
"""The same by which of a run's weights are wanted, as they were trained or their average."""
GONE_ON_WITH = (LAST, PREVIOUS, BEST)


def locate(path: Path, wanted: Sequence[str], key: str = "ckpt") -> Path:
    """Return the file that `ckpt=` means: one named by itself, or the first of the wanted ones in a run's folder.

    Weights are written at the end of a run: of one that has gone on since, a checkpoint is newer and is taken.
    Raises UserError where the folder has none of them, and for weights where a checkpoint is wanted.
    """
    if is_weights(path) and not any(map(is_weights, map(Path, wanted))):
        raise UserError(f"{key}={path}: holds weights alone; name the run's folder or a checkpoint")
    if not path.is_dir():
        return path  # who reads it says what is wrong with it
    # Its own folders stand for a run too, such as TensorBoard's.
    places = [path, *(folder for folder in path.absolute().parents[:2] if (folder / CONFIG).is_file())]
    if not (files := next(filter(None, (there(place, wanted) for place in places)), [])):
        raise UserError(f"{key}={path}: no checkpoint in it; expected the folder of a run")
    gone_on = is_weights(files[0]) and any(_time(file) > _time(files[0]) for file in files[1:])
    return files[1] if gone_on else files[0]


def is_weights(file: Path) -> bool:
    """Return whether the file holds weights alone."""
    return file.suffix == Path(WEIGHTS).suffix


def there(folder: Path, wanted: Sequence[str]) -> list[Path]:
    """Return those of the wanted files that lie in a run's folder, or in its folder of checkpoints."""
    places = (folder, folder / CHECKPOINTS)
    return [place / name for name in wanted for place in places if (place / name).is_file()]


def run_of(file: Path) -> Path:
    """Return the folder of the run that the file belongs to."""
    return file.parent.parent if file.parent.name == CHECKPOINTS else file.parent


def _time(file: Path) -> int:
    return file.stat().st_mtime_ns
