"""Where the package, its configs and the user's data lie."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def is_checkout() -> bool:
    """Return whether the package lies in a checkout rather than among installed packages."""
    return (PACKAGE.parent / "pyproject.toml").is_file()


def conf_dir() -> Path:
    """Return the folder of the config: the checkout's, or the one that travels inside the wheel."""
    return PACKAGE.parent / "conf" if is_checkout() else PACKAGE / "conf"


def config_file() -> Path:
    """Return the file of the config that holds the flat knobs and names the groups."""
    return conf_dir() / "config.yaml"


def project_root() -> Path:
    """Return the folder that data/ and outputs/ lie in: the checkout's root, or the current folder when installed."""
    return PACKAGE.parent if is_checkout() else Path.cwd()


def data_root() -> Path:
    """Return the folder of the data sets: $HIGH_ORDER_NETS_DATA if set, as in conf/dataset/."""
    return Path(os.environ.get("HIGH_ORDER_NETS_DATA", project_root() / "data"))
