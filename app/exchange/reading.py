"""The pure half of an import: a file in, checked rows and readable problems out, one pass, bounded memory.

A row gives its comparison in one of three ways (docs/import-format.md has the whole description):

- `prompt` (text or messages) and `responses` (a list of texts or of {text, model, metadata}),
- `prompt` and `response_a`, `response_b` … `response_i`, with `model_a` …,
- `chosen` and `rejected` (texts, lists of messages, or hh-rlhf transcripts), with or without `prompt`;

and may add task_id, domain, language, tags, metadata, gold (with gold_explanation) and votes. JSONL, CSV and Parquet
name these alike; in CSV, lists and objects are JSON in the cell. Files may be packed: .gz, or .zip of one file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.exchange.archives import unpack
from app.exchange.parsing import check_columns, closest_column, parse_record
from app.exchange.problems import ImportProblem, RowError, UnreadableFileError, shorten, stop
from app.exchange.records import Record, read_csv, read_jsonl, read_parquet
from app.exchange.rows import COLUMNS, ImportRow, Limits, ReadOptions, row_key

_READERS = {"jsonl": read_jsonl, "csv": read_csv, "parquet": read_parquet}
_KNOWN = frozenset(COLUMNS)
_MAX_UNUSED = 50


class Reading:
    """An iterator over a file's rows and problems, in the order of the file.

    It ends after the last row, after a problem that makes reading on impossible, or after `limits.problems` of them.
    Problems of the row are one a row, the first. `unused` are the columns that were left out, each with the known one
    that was perhaps meant.
    """

    def __init__(
        self,
        source: BinaryIO | Path,
        filename: str,
        *,
        limits: Limits | None = None,
        options: ReadOptions | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.options = options or ReadOptions()
        self.n_rows = 0
        """Rows seen, good and bad."""
        self.n_problems = 0
        self.is_cut_short = False
        """Whether there may be more problems than those told."""
        self.unused: dict[str, str | None] = {}
        self.progress = 0.0
        """The part of the file that was read, 0 to 1."""
        self._declared_rows: int | None = None
        self._rows_of_ids: dict[str, int] = {}
        self._items = self._read(source, filename)

    def __iter__(self) -> Iterator[ImportRow | ImportProblem]:
        return self

    def __next__(self) -> ImportRow | ImportProblem:
        return next(self._items)

    def close(self) -> None:
        """Let go of temporary files before the end is reached."""
        self._items.close()

    def _read(self, source: BinaryIO | Path, filename: str) -> Generator[ImportRow | ImportProblem, None, None]:
        try:
            with unpack(source, filename, self.limits) as unpacked:
                records = _READERS[unpacked.format](unpacked.stream, self.limits, self._check_columns)
                for record in records:
                    self._count_row()
                    self.progress = min(unpacked.progress(), 1.0)
                    if self._declared_rows:
                        self.progress = self.n_rows / self._declared_rows
                    item = self._item(record)
                    yield item
                    if isinstance(item, ImportProblem) and self._is_enough():
                        return
                if self.n_rows == 0:
                    raise stop("no_rows")
                self.progress = 1.0
        except UnreadableFileError as fault:
            self.n_problems += 1
            self.is_cut_short = True
            yield fault.problem

    def _count_row(self) -> None:
        self.n_rows += 1
        if self.n_rows > self.limits.rows:
            raise stop("too_many_rows", limit=self.limits.rows)

    def _is_enough(self) -> bool:
        self.n_problems += 1
        self.is_cut_short = self.n_problems >= self.limits.problems
        return self.is_cut_short

    def _item(self, record: Record) -> ImportRow | ImportProblem:
        if isinstance(record, ImportProblem):
            return record
        number, values = record
        if not values.keys() <= _KNOWN:
            self._note_unused(values)
        try:
            row = parse_record(number, values, self.limits, self.options)
        except RowError as fault:
            return fault.at(number)
        if row.task_id is not None:
            first = self._rows_of_ids.setdefault(row.task_id, number)
            if first != number:
                named = {"task_id": shorten(row.task_id), "first": first}
                return ImportProblem(number, "task_id", "task_id_twice", named)
        return row

    def _check_columns(self, columns: Iterable[str], n_rows: int | None) -> None:
        self._declared_rows = n_rows
        names = list(columns)
        check_columns(names, fewest_responses=self.options.fewest_responses)
        self._note_unused(names)

    def _note_unused(self, columns: Iterable[str]) -> None:
        for name in columns:
            if name and name not in _KNOWN and name not in self.unused and len(self.unused) < _MAX_UNUSED:
                self.unused[name[:200]] = closest_column(name[:200])


def read(
    source: BinaryIO | Path, filename: str, *, limits: Limits | None = None, options: ReadOptions | None = None
) -> Iterator[ImportRow]:
    """The rows alone, for a file that must be right. Raises UnreadableFileError at the first problem."""
    reading = Reading(source, filename, limits=limits, options=options)
    try:
        for item in reading:
            if isinstance(item, ImportProblem):
                raise UnreadableFileError(item)
            yield item
    finally:
        reading.close()


@dataclass
class Preview:
    """What an import of a file would do. Counts are of the rows without a problem."""

    n_rows: int = 0
    responses: Counter[int] = field(default_factory=Counter)
    """How many rows have so many responses."""
    n_votes: int = 0
    n_annotators: int = 0
    n_gold: int = 0
    n_repeated: int = 0
    """Rows that a second import would take for an earlier row of this file (see rows.row_key)."""
    languages: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    samples: list[ImportRow] = field(default_factory=list)
    """The first three rows."""
    problems: list[ImportProblem] = field(default_factory=list)
    is_cut_short: bool = False
    """Whether reading stopped at the last problem, so that there may be more."""
    unused: dict[str, str | None] = field(default_factory=dict)
    """Columns that are left out, each with the known one that was perhaps meant."""
    _annotators: set[str] = field(default_factory=set)
    _keys: set[str] = field(default_factory=set)

    def see(self, item: ImportRow | ImportProblem) -> None:
        """Take the next item of the file in."""
        if isinstance(item, ImportProblem):
            self.problems.append(item)
            return
        self.n_rows += 1
        self.responses[len(item.responses)] += 1
        self.n_votes += len(item.votes)
        self.n_gold += item.gold is not None
        self._annotators.update(vote.annotator for vote in item.votes)
        self.n_annotators = len(self._annotators)
        if item.language:
            self.languages[item.language] += 1
        if item.domain:
            self.domains[item.domain] += 1
        if len(self.samples) < 3:
            self.samples.append(item)
        key = row_key(item)
        self.n_repeated += key in self._keys
        self._keys.add(key)

    def end(self, reading: Reading) -> None:
        """The file has been read to its end, or as far as it goes."""
        self.is_cut_short = reading.is_cut_short
        self.unused = reading.unused


def preview(
    source: BinaryIO | Path, filename: str, *, limits: Limits | None = None, options: ReadOptions | None = None
) -> Preview:
    """Read the whole file once and say what is in it. Never raises for what the file holds."""
    reading = Reading(source, filename, limits=limits, options=options)
    seen = Preview()
    for item in reading:
        seen.see(item)
    seen.end(reading)
    return seen
