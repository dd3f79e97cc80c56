"""The data folder: made private, claimed by one process at a time, with a place for sockets."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded.process import CannotStart

LONGEST_SOCKET_PATH = 107  # bytes; the kernel's sun_path without its closing NUL
LONGEST_SOCKET_NAME = len(".s.PGSQL.5432")


@contextmanager
def claim(data_dir: Path) -> Iterator[Path]:
    """Make the folder with its parents and hold it for this process; its absolute path.

    The kernel gives a lock back when its holder dies, however it dies, so no stale one can stand in the way.
    """
    folder = data_dir.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CannotStart(f"The data folder {folder} is a file; name a folder: make up DATA=folder") from None
    except OSError as error:
        raise CannotStart(unusable(folder, error)) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise CannotStart(
                f"Accord is already running on the data folder {folder} (process {holder}). "
                "Stop it first, or give this one its own: make up DATA=folder PORT=8001"
            ) from None
        except OSError as error:
            raise CannotStart(unusable(folder, error)) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield folder
    finally:
        os.close(lock)


def unusable(folder: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk that holds the data folder {folder} is full. Free some space, or name another folder."
    return f"The data folder {folder} cannot be used: {error.strerror}. Name another: make up DATA=folder"


def private(folder: Path) -> Path:
    """Make `folder` if need be; only its owner may enter it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise CannotStart(unusable(folder, error)) from None
    return folder


def socket_folder(folder: Path, name: str) -> Path:
    """A private folder for sockets: inside `folder`, or in the system's temporary one where that path is too long.

    The outside folder is named after `folder`, so that the next run finds and reuses it.
    """
    inside = folder / name
    if len(os.fsencode(inside)) + 1 + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
        return private(inside)
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    outside = Path(tempfile.gettempdir()) / f"accord-{os.geteuid()}-{digest}-{name}"
    try:
        outside.mkdir(mode=0o700)
    except FileExistsError:
        found = outside.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise CannotStart(
                f"{outside} belongs to somebody else; remove it, or name a shorter data folder."
            ) from None
        outside.chmod(0o700)
    except OSError as error:
        raise CannotStart(f"No folder for sockets could be made: {error}. Name a shorter data folder.") from None
    return outside
