"""A file as it was uploaded, as a stream of its unpacked bytes: plain, gzip, or a zip of one file.

Memory stays at a few buffers whatever the file says of itself; what unpacks to too much is stopped while it unpacks.
"""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from app.exchange.problems import shorten, stop
from app.exchange.rows import Limits

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
SPREADSHEETS = {".xlsx", ".xls", ".ods", ".numbers", ".xlsm"}
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
_EMPTY_ZIP = b"PK\x05\x06"
_BUFFER = 256 * 1024
_PACKED_BUFFER = 32 * 1024
"""Small, since what was read ahead counts as packed size."""
_DAMAGE = (
    EOFError, IndexError, OSError, OverflowError, RuntimeError, ValueError,
    lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
RATIO_FROM = 4 * 1024 * 1024
"""Bytes unpacked before the ratio is looked at: a short file of one repeated word is no attack."""


@dataclass
class Unpacked:
    stream: BinaryIO
    """Seekable where `format` is parquet."""
    format: str
    progress: Callable[[], float]
    """The part read so far, 0 to 1."""


class _Counting(io.RawIOBase):
    """Counts what is read, and lets `check` refuse more."""

    def __init__(self, source: BinaryIO, check: Callable[[int], None] | None = None) -> None:
        self._source = source
        self._check = check
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _damage() if self._check is not None else nullcontext():
            chunk = self._source.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        if self._check is not None:
            self._check(self.count)
        return len(chunk)


@contextmanager
def unpack(source: BinaryIO | Path, filename: str, limits: Limits) -> Iterator[Unpacked]:
    """Open `source`, whose name says its format where its bytes do not.

    Raises UnreadableFileError for what is no such file, for archives that are damaged, nested, locked, hold several
    files, or unpack to more than the limits allow (that one while reading too).
    """
    with ExitStack() as stack:
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        file = _seekable(file, stack)
        size = max(file.seek(0, io.SEEK_END), 1)
        file.seek(0)
        head = _peek(file)
        if not head:
            raise stop("file_empty")
        name = Path(filename.lower())
        if name.suffix in SPREADSHEETS:
            raise stop("format_spreadsheet")
        if head.startswith(_GZIP):
            packed = _Counting(file)
            unzipped = gzip.GzipFile(fileobj=cast("BinaryIO", io.BufferedReader(packed, _PACKED_BUFFER)))
            inner = Path(name.stem if name.suffix == ".gz" else name.name)
            bomb = bomb_check(lambda: packed.count, limits)
            yield _inside(cast("BinaryIO", unzipped), inner, bomb, lambda: packed.count / size, stack)
        elif head.startswith((_ZIP, _EMPTY_ZIP)):
            with _damage():
                archive = stack.enter_context(zipfile.ZipFile(file))
                member = _only_member(archive, limits)
                opened = stack.enter_context(archive.open(member))
            bomb = bomb_check(lambda: member.compress_size, limits)
            yield _inside(cast("BinaryIO", opened), Path(member.filename.lower()), bomb, None, stack, member.file_size)
        else:
            plain = _Counting(file)
            stream = file if head.startswith(_PARQUET) else cast("BinaryIO", io.BufferedReader(plain, _BUFFER))
            yield Unpacked(stream, _format(name, head), lambda: plain.count / size)


def _inside(
    packed: BinaryIO,
    name: Path,
    check: Callable[[int], None],
    progress: Callable[[], float] | None,
    stack: ExitStack,
    size: int = 1,
) -> Unpacked:
    """What an archive holds, counted while it unpacks; Parquet goes through a temporary file, since it is not read
    from its beginning to its end.
    """
    counted = _Counting(packed, check)
    stream = io.BufferedReader(counted, _BUFFER)
    head = stream.peek(8)[:8]
    if not head:
        raise stop("file_empty")
    if head.startswith((_GZIP, _ZIP, _EMPTY_ZIP)) or name.suffix in {".gz", ".zip"}:
        raise stop("archive_nested")
    kind = _format(name, head)
    read = progress or (lambda: counted.count / max(size, 1))
    if kind != "parquet":
        return Unpacked(cast("BinaryIO", stream), kind, read)
    spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by the stack
    shutil.copyfileobj(stream, spooled, _BUFFER)
    spooled.seek(0)
    return Unpacked(cast("BinaryIO", spooled), kind, read)


def _format(name: Path, head: bytes) -> str:
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise stop("encoding_utf16")
    found = FORMATS.get(name.suffix)
    if found is None and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return "jsonl"
    if found == "parquet":
        raise stop("parquet_damaged", detail="it does not begin like one")
    if found is None:
        raise stop("format_unknown", name=name.name[:100])
    return found


def _only_member(archive: zipfile.ZipFile, limits: Limits) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/") and Path(member.filename).name[:1] != "."
    ]
    if len(members) != 1:
        names = ", ".join(Path(member.filename).name[:60] for member in members[:5]) or "none"
        raise stop("archive_members", count=len(members), names=names)
    (member,) = members
    if member.flag_bits & 0x1:
        raise stop("archive_encrypted")
    bomb_check(lambda: member.compress_size, limits)(member.file_size)
    return member


def bomb_check(packed: Callable[[], int], limits: Limits) -> Callable[[int], None]:
    """A function that raises once so many bytes unpacked from `packed()` bytes are too many."""

    def check(unpacked: int) -> None:
        if unpacked > limits.unpacked_bytes or (
            unpacked > RATIO_FROM and unpacked > limits.unpacked_ratio * max(packed(), 1)
        ):
            raise stop("archive_bomb", limit=_size(limits.unpacked_bytes), ratio=limits.unpacked_ratio)

    return check


def _size(count: int) -> str:
    """A number of bytes for a sentence."""
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def _seekable(file: BinaryIO, stack: ExitStack) -> BinaryIO:
    if file.seekable():
        return file
    spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by the stack
    shutil.copyfileobj(file, spooled, _BUFFER)
    return cast("BinaryIO", spooled)


def _peek(file: BinaryIO) -> bytes:
    head = file.read(64)
    file.seek(0)
    return head


@contextmanager
def _damage() -> Iterator[None]:
    """What gzip, zipfile and their decompressors raise for damaged bytes, as one problem."""
    try:
        yield
    except _DAMAGE as fault:
        raise stop("archive_damaged", detail=shorten(str(fault) or type(fault).__name__)) from fault
