"""Uploads and artifacts behind one fsspec URL: a folder by default, S3 or GCS by configuration.

Objects are named by us, never by a person; they are written under a temporary name and moved when complete. A folder
is complete once its manifest is there, which comes last and names each file with its sha256 and bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast
from uuid import uuid4

import fsspec
from fsspec.core import url_to_fs

from app.config import settings
from app.errors import NotFound, TooLarge

CHUNK = 1024 * 1024
MANIFEST = "manifest.json"
# Letters of both cases, since a model's folder has a README.md; nothing hidden, nothing that climbs.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


class Damaged(Exception):
    """A stored folder whose files are not those that its manifest names."""


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


def shown_name(filename: str) -> str:
    """The last part of what the browser called a file, for people; never a path that anything is opened by."""
    name = PurePosixPath(filename.replace("\\", "/")).name.replace("\x00", "")
    return "".join(letter for letter in name if letter.isprintable())[-200:] or "file"


def delete_stored(name: str) -> None:
    """Also what a killed process left half written under that name."""
    filesystem, path = _path(name)
    for there in (path, f"{path}.partial"):
        if filesystem.exists(there):
            filesystem.rm(there)


def nothing() -> None:
    """What is called between the chunks of a copy, unless something else is wanted."""


def save_folder(name: str, folder: Path, *, between: Callable[[], None] = nothing) -> tuple[str, int]:
    """Copy the files that the folder's manifest names, the manifest last, and read all of it back.

    Returns (sha256 of the manifest in hex, bytes of all). `between` is called often and may raise to give up. Nothing
    is left behind by a copy that failed; Damaged when what was read back is not what was written.
    """
    content = (folder / MANIFEST).read_bytes()
    files = _files_of(content)
    filesystem, base = _path(name)
    try:
        for file in [*files, MANIFEST]:
            _, path = _path(f"{name}/{file}")
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            with (folder / file).open("rb") as source, filesystem.open(path, "wb") as out:
                while chunk := source.read(CHUNK):
                    between()
                    out.write(chunk)
        read_folder(name, manifest_sha256=hashlib.sha256(content).hexdigest(), between=between)
    except BaseException:
        if filesystem.exists(base):
            filesystem.rm(base, recursive=True)
        raise
    return hashlib.sha256(content).hexdigest(), sum(int(facts["bytes"]) for facts in files.values()) + len(content)


def read_folder(
    name: str, *, manifest_sha256: str, into: Path | None = None, between: Callable[[], None] = nothing
) -> None:
    """Check each file of a stored folder against its manifest, and copy it to `into` where that is given.

    Raises Damaged with the file that is missing, short or changed; what was copied by then is the caller's to remove.
    """
    content = b"".join(_chunks(name, MANIFEST, None, between))
    if hashlib.sha256(content).hexdigest() != manifest_sha256:
        raise Damaged("its manifest is not what was saved.")
    for file, facts in _files_of(content).items():
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(name, file, into, between):
            digest.update(chunk)
            size += len(chunk)
        if (digest.hexdigest(), size) != (facts["sha256"], facts["bytes"]):
            raise Damaged(f"{file} is not what was saved.")
    if into is not None:
        (into / MANIFEST).write_bytes(content)


def _chunks(name: str, file: str, into: Path | None, between: Callable[[], None]) -> Iterator[bytes]:
    filesystem, path = _path(f"{name}/{file}")
    target = Path(os.devnull) if into is None else into / file
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = filesystem.open(path, "rb")
    except FileNotFoundError:
        raise Damaged(f"{file} is missing.") from None
    with source, target.open("wb") as out:
        while chunk := source.read(CHUNK):
            between()
            out.write(chunk)
            yield chunk


def files_of(folder: Path) -> dict[str, dict[str, Any]]:
    """{name: {"sha256", "bytes"}} of a folder with a manifest, the manifest not among them."""
    return _files_of((folder / MANIFEST).read_bytes())


def _files_of(manifest: bytes) -> dict[str, dict[str, Any]]:
    """{name: {"sha256", "bytes"}}; names come from a file and are checked like any other."""
    try:
        files = {str(name): dict(facts) for name, facts in json.loads(manifest)["files"].items()}
        if all(
            _NAME.fullmatch(name) and ".." not in name and {"sha256", "bytes"} <= set(files[name]) for name in files
        ):
            return files
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Damaged("its manifest cannot be read.")


def delete_folder(name: str) -> None:
    filesystem, path = _path(name)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


def folders_in(name: str) -> list[str]:
    """The names of the folders directly in this one, in order; none where it is not there."""
    filesystem, path = _path(name)
    if not filesystem.isdir(path):
        return []
    found = filesystem.ls(path, detail=True, refresh=True)
    return sorted(
        f"{name}/{each['name'].rstrip('/').rpartition('/')[2]}" for each in found if each["type"] == "directory"
    )
