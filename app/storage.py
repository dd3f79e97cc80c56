"""Uploads and artifacts behind one fsspec URL: a folder by default, S3 or GCS by configuration.

Objects are named by us, never by a person; they are written under a temporary name and moved when complete.
"""

from __future__ import annotations

import hashlib
import re
from typing import IO, BinaryIO, cast
from uuid import uuid4

import fsspec
from fsspec.core import url_to_fs

from app.config import settings
from app.errors import NotFound, TooLarge

CHUNK = 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


def _root() -> tuple[fsspec.AbstractFileSystem, str]:
    url = settings().artifact_url or str((settings().data_dir / "artifacts").resolve())
    filesystem, path = url_to_fs(url)
    return filesystem, path


def _path(name: str) -> tuple[fsspec.AbstractFileSystem, str]:
    if not _NAME.fullmatch(name) or ".." in name:
        raise NotFound
    filesystem, root = _root()
    return filesystem, f"{root}/{name}"


def save_stream(folder: str, stream: BinaryIO | IO[bytes], *, max_bytes: int) -> tuple[str, str, int]:
    """Copy a stream into storage under a fresh name.

    Returns (name, sha256 in hex, bytes). Raises TooLarge beyond `max_bytes`, and leaves nothing behind then.
    """
    name = f"{folder}/{uuid4().hex}"
    sha256, size = save_named(name, stream, max_bytes=max_bytes)
    return name, sha256, size


def save_named(name: str, stream: BinaryIO | IO[bytes], *, max_bytes: int | None = None) -> tuple[str, int]:
    """Copy a stream into storage under this name, in the place of what was there; (sha256 in hex, bytes)."""
    filesystem, path = _path(name)
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    digest, size = hashlib.sha256(), 0
    partial = f"{path}.partial"
    try:
        with filesystem.open(partial, "wb") as out:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if max_bytes is not None and size > max_bytes:
                    raise TooLarge(
                        "The file is larger than %(limit)d MB; nothing was kept. "
                        "Split it, or raise ACCORD_MAX_UPLOAD_BYTES.",
                        limit=max_bytes // 1024**2,
                    )
                digest.update(chunk)
                out.write(chunk)
        filesystem.mv(partial, path)
    except BaseException:
        if filesystem.exists(partial):
            filesystem.rm(partial)
        raise
    return digest.hexdigest(), size


def open_stored(name: str) -> BinaryIO:
    """Open an object for reading; NotFound when it is not there."""
    filesystem, path = _path(name)
    try:
        return cast("BinaryIO", filesystem.open(path, "rb"))
    except FileNotFoundError:
        raise NotFound("The stored file is no longer there.") from None


def delete_stored(name: str) -> None:
    """Also what a killed process left half written under that name."""
    filesystem, path = _path(name)
    for there in (path, f"{path}.partial"):
        if filesystem.exists(there):
            filesystem.rm(there)
