"""What `up` needs of the machine and its data folder; each lack is a sentence."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

from app.embedded import CannotStart
from app.embedded.folders import unusable

LEAST_FREE_BYTES = 300 * 1024**2
KEPT_LOGS = 3


def check_machine(folder: Path, port: int) -> None:
    """What can be known before anything is started. Raises CannotStart."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OverflowError:
        raise CannotStart(f"{port} is no port; choose one from 1024 to 65535: make up PORT=8001") from None
    except OSError as error:
        raise CannotStart(
            f"Port {port} cannot be used ({(error.strerror or '').lower()}). Nothing was started; "
            f"choose another: make up PORT={port + 1 if port < 65535 else 8001}"
        ) from None
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise CannotStart(
            f"The disk that holds the data folder {folder} has {free // 1024**2} MB left, and Accord needs "
            f"{LEAST_FREE_BYTES // 1024**2} MB to start. Free some space, or name another folder: make up DATA=folder"
        )


def secret_key(folder: Path) -> str:
    """The installation's own secret, made once; only its owner may read it."""
    path = folder / "secret-key"
    try:
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        unfinished = folder / "secret-key.unfinished"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        unfinished.rename(path)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = unusable(folder, error) if isinstance(error, OSError) else f"{path} is no text file; move it away."
        raise CannotStart(reason) from None


def rotate_logs(logs: Path) -> None:
    """Each start has logs of its own; those of the last few starts are kept as name.log.1 and so on."""
    for log in logs.glob("*.log"):
        for age in range(KEPT_LOGS, 0, -1):
            older = log if age == 1 else log.with_name(f"{log.name}.{age - 1}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{age}"))
