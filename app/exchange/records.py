"""The rows of a JSONL, CSV or Parquet file as plain objects with their numbers, one at a time.

Row numbers are those that an editor or spreadsheet shows: the line of a JSONL file, the spreadsheet's row of a CSV file
(the line of names is 1), the position in a Parquet file from 1.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from pydantic_core import from_json

from app.exchange.archives import bomb_check
from app.exchange.problems import ImportProblem, shorten, stop
from app.exchange.rows import COLUMNS, Limits

Record = tuple[int, dict[str, Any]] | ImportProblem
CheckColumns = Callable[[Iterable[str], int | None], None]
"""Is told the columns, and the number of rows where the file declares it. Raises UnreadableFileError when a task cannot
be made of these columns."""

_KNOWN = frozenset(COLUMNS)
_BOM = b"\xef\xbb\xbf"
_POSITION = re.compile(r" at line \d+ column (\d+)$")
_SEPARATORS = (",", ";", "\t")
_BATCH = 256
_CELL_CHARACTERS = 64 * 1024 * 1024


def column_name(written: object) -> str:
    """A column's name as this program knows it: `Task ID` is task_id."""
    return re.sub(r"[\s\-]+", "_", str(written).strip().lower())


def read_jsonl(stream: BinaryIO, limits: Limits, check: CheckColumns) -> Iterator[Record]:
    offset = 0
    number = 0
    checked = False
    while line := stream.readline(limits.line_bytes + 1):
        number += 1
        if len(line) > limits.line_bytes:
            raise stop("line_too_long", row=number, limit=f"{limits.line_bytes // 1024**2} MiB")
        start, offset = offset, offset + len(line)
        if number == 1 and line.startswith(_BOM):
            line = line[len(_BOM) :]
            start += len(_BOM)
        if not line.strip():
            continue
        if not checked and line.lstrip().startswith(b"["):
            raise stop("json_array")
        if not checked and line.strip() == b"{":
            raise stop("json_invalid", row=number, detail="the object goes on in the next line")
        record = _json_record(number, line, start)
        if not checked and not isinstance(record, ImportProblem):
            check(record[1], None)
            checked = True
        yield record


def _json_record(number: int, line: bytes, start: int) -> Record:
    try:
        record = from_json(line)
    except ValueError as fault:
        return _json_problem(number, line, start, str(fault))
    if not isinstance(record, dict):
        kind = {list: "list", str: "text", bool: "true or false", type(None): "null"}.get(type(record), "number")
        return ImportProblem(number, None, "json_not_object", {"kind": kind})
    if record.keys() <= _KNOWN:
        return number, record
    renamed: dict[str, Any] = {}
    for written, value in record.items():
        name = column_name(written)
        name = name if name in _KNOWN else written
        if name in renamed:
            return ImportProblem(number, None, "columns_twice", {"name": shorten(name)})
        renamed[name] = value
    return number, renamed


def _json_problem(number: int, line: bytes, start: int, detail: str) -> ImportProblem:
    bad = _bad_byte(line, start)
    if bad:
        return ImportProblem(number, None, "bad_utf8", bad)
    if "recursion limit" in detail:
        return ImportProblem(number, None, "json_nesting", {"limit": 200})
    place = _POSITION.search(detail)
    if place:
        detail = f"{detail[: place.start()]}, at byte {place[1]} of the line"
    return ImportProblem(number, None, "json_invalid", {"detail": detail})


def _bad_byte(line: bytes, start: int) -> dict[str, Any] | None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as fault:
        return {"byte": f"0x{line[fault.start]:02X}", "offset": start + fault.start}
    return None


class _Lines:
    """A CSV file's lines as text, with the row they belong to and a bound on its bytes."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream = stream
        self._limit = limits.line_bytes
        self._offset = 0
        self.row = 1
        self.row_bytes = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(self._limit + 1):
            self.row_bytes += len(line)
            if self.row_bytes > self._limit:
                raise stop(
                    "csv_invalid",
                    row=self.row,
                    detail=f"the row does not end within {self._limit // 1024**2} MiB, so a quotation mark may be open",
                )
            start, self._offset = self._offset, self._offset + len(line)
            if start == 0 and line.startswith(_BOM):
                line = line[len(_BOM) :]
                start = len(_BOM)
            bad = _bad_byte(line, start)
            if bad:
                raise stop("bad_utf8", row=self.row, **bad)
            yield line.decode("utf-8")


def read_csv(stream: BinaryIO, limits: Limits, check: CheckColumns) -> Iterator[Record]:
    csv.field_size_limit(_CELL_CHARACTERS)
    lines = _Lines(stream, limits)
    source = iter(lines)
    first = next(source, "")
    while first.isspace():
        first = next(source, "")
        lines.row += 1
    if not first:
        raise stop("file_empty")
    delimiter = _delimiter(first)
    rows = csv.reader(_with(first, source), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as fault:
            raise stop("csv_invalid", row=lines.row, detail=str(fault)) from fault
        number = lines.row
        lines.row += 1
        lines.row_bytes = 0
        if names is None:
            names = _header(cells)
            check(names, None)
        elif len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            found = {"found": len(cells), "expected": len(names), "delimiter": shorten(delimiter.replace("\t", "tab"))}
            yield ImportProblem(number, None, "csv_cells", found)
        elif any(cells):
            yield number, {name: _cell(name, cell) for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(line: str) -> str:
    """The separator that gives the most known column names, then the most cells."""

    def score(separator: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader(io.StringIO(line), delimiter=separator), [])
        except csv.Error:
            return 0, 0
        return sum(column_name(cell) in _KNOWN for cell in cells), len(cells)

    return max(_SEPARATORS, key=score)


def _header(cells: list[str]) -> list[str]:
    names = []
    for cell in cells:
        name = column_name(cell)
        name = name if name in _KNOWN else cell.strip()
        if name and name in names:
            raise stop("columns_twice", name=shorten(name))
        names.append(name)
    return names


_JSON_CELLS = {"responses": "[", "votes": "[", "prompt": "[", "chosen": "[", "rejected": "[", "gold": "{", "tags": "["}


def _cell(name: str, cell: str) -> Any:
    """A cell's value: JSON where the column may hold it, otherwise the text as it stands.

    A prompt that begins with a bracket is a list of messages only if it parses as a list of objects.
    """
    opening = _JSON_CELLS.get(name)
    if opening is None or not cell.lstrip().startswith(opening):
        return cell
    try:
        value = from_json(cell.strip())
    except ValueError as fault:
        if name in {"responses", "votes"}:
            return Unparsed(_POSITION.sub(r", at byte \1 of the cell", str(fault)))
        return cell
    if name in {"prompt", "chosen", "rejected"} and not (value and all(_is_message(item) for item in value)):
        return cell
    return value


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value


class Unparsed(str):
    """A cell that had to be JSON and is not; the text is what the parser said."""

    __slots__ = ()


def read_parquet(stream: BinaryIO, limits: Limits, check: CheckColumns) -> Iterator[Record]:
    """Rows in small batches, after the sizes that the file declares are held against the limits."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as missing:
        raise stop("parquet_missing") from missing
    number = 0
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    try:
        file = pq.ParquetFile(stream, thrift_string_size_limit=10**8, thrift_container_size_limit=10**6)
        columns = _parquet_columns(file.schema_arrow.names)
        check(columns, file.metadata.num_rows)
        if file.metadata.num_rows > limits.rows:
            raise stop("too_many_rows", limit=limits.rows)
        bomb_check(lambda: size, limits)(
            sum(file.metadata.row_group(index).total_byte_size for index in range(file.num_row_groups))
        )
        read = [written for name, written in columns.items() if name in _KNOWN]
        for batch in file.iter_batches(batch_size=_BATCH, columns=read):
            for values in batch.rename_columns([column_name(name) for name in batch.schema.names]).to_pylist(
                maps_as_pydicts="strict"
            ):
                number += 1
                yield number, {name: _parquet_value(name, value) for name, value in values.items() if value is not None}
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise stop("parquet_damaged", detail=" ".join(str(fault).split())[:200]) from fault


def _parquet_columns(written_names: list[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for written in written_names:
        name = column_name(written)
        name = name if name in _KNOWN else written
        if name in columns:
            raise stop("columns_twice", name=shorten(name))
        columns[name] = written
    return columns


def _parquet_value(name: str, value: Any) -> Any:
    if name == "task_id" and isinstance(value, float) and value.is_integer():
        return int(value)
    return _cell(name, value) if isinstance(value, str) else value


def parse_object(text: str) -> Any:
    """JSON that must be an object or nothing; ValueError says what is wrong in words for a person."""
    try:
        return from_json(text.strip())
    except ValueError as fault:
        raise ValueError(_POSITION.sub(r", at byte \1", str(fault))) from None


def json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, allow_nan=True).encode("utf-8", "surrogatepass"))
