"""How other commands on this machine find the servers that `up` runs: a private file beside the data, while it runs."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

NAMES = ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "ACCORD_SECRET_KEY", "ACCORD_DATA_DIR")
FILE = "addresses.json"


@contextmanager
def published(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Keep the addresses in `folder` for its owner alone until the block ends."""
    path = folder / FILE
    unfinished = folder / f"{FILE}.unfinished"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({name: environment[name] for name in NAMES if name in environment}, out)
    unfinished.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def adopt(folder: Path, environment: MutableMapping[str, str]) -> bool:
    """Put the addresses of a running `up` into `environment`, where it names no database; whether there was one.

    A file that a killed run left behind is told by the folder's lock, which nobody holds then.
    """
    if environment.get("DATABASE_URL") or not is_held(folder):
        return False
    try:
        addresses = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return False
    for name, value in addresses.items():
        environment.setdefault(name, value)
    return True


def is_held(folder: Path) -> bool:
    """Whether a process holds the claim on this data folder."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
