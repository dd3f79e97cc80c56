"""The files of a version: written to nameless temporary files first, then put into storage when they are whole."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self

from app import storage
from app.datasets.building import HELD_OUT, TRAIN

ROWS = {TRAIN: "train.jsonl", HELD_OUT: "held_out.jsonl"}
DEMONSTRATIONS = {TRAIN: "demonstrations.jsonl", HELD_OUT: "held_out_demonstrations.jsonl"}
PARQUET, MANIFEST, POLICY = "all.parquet", "manifest.json", "policy.json"
NAMES = (*ROWS.values(), *DEMONSTRATIONS.values(), PARQUET, MANIFEST, POLICY)
MEDIA_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
}
BATCH = 2000


def stored_name(version_id: int, attempt: int, name: str) -> str:
    """Where an attempt keeps a file: no two attempts write to one place, so a zombie spoils nothing."""
    return f"datasets/{version_id}/{attempt}/{name}"


def delete_attempts(version_id: int, attempts: range) -> None:
    """Remove what these attempts left behind."""
    for attempt in attempts:
        for name in NAMES:
            storage.delete_stored(stored_name(version_id, attempt, name))


class RowFiles:
    """Takes rows, and keeps them in storage when asked to. The temporary files have no names, so nothing stays."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lines: dict[str, IO[bytes]] = {split: self._temporary() for split in ROWS}
        self._parquet = _Parquet.to(self._temporary())
        if self._parquet is not None:
            self._stack.callback(self._parquet.close)  # before its file is
        self._rows = dict.fromkeys(ROWS, 0)
        self._written: dict[str, IO[bytes]] = {split: self._temporary() for split in DEMONSTRATIONS}
        self._demonstrations = dict.fromkeys(DEMONSTRATIONS, 0)

    def _temporary(self) -> IO[bytes]:
        return self._stack.enter_context(tempfile.TemporaryFile())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def has_parquet(self) -> bool:
        return self._parquet is not None

    def write(self, row: dict[str, Any], line: bytes) -> None:
        split = row["split"]
        if "completion" in row:
            self._written[split].write(line)
            self._demonstrations[split] += 1
            return
        self._lines[split].write(line)
        self._rows[split] += 1
        if self._parquet is not None:
            self._parquet.write(row)

    def save(self, version_id: int, attempt: int) -> dict[str, dict[str, Any]]:
        """{name: {stored, sha256, bytes, rows}} of the files of rows."""
        found = {}
        for split, name in ROWS.items():
            found[name] = _save(version_id, attempt, name, self._lines[split], rows=self._rows[split])
        for split, name in DEMONSTRATIONS.items():
            if self._demonstrations[split]:
                rows = self._demonstrations[split]
                found[name] = _save(version_id, attempt, name, self._written[split], rows=rows)
        if self._parquet is not None:
            found[PARQUET] = _save(version_id, attempt, PARQUET, self._parquet.end(), rows=sum(self._rows.values()))
        return found


def save_json(version_id: int, attempt: int, name: str, value: Any) -> dict[str, Any]:
    """One JSON document, indented for readers."""
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        return _save(version_id, attempt, name, file, rows=None)


def _save(version_id: int, attempt: int, name: str, file: IO[bytes], *, rows: int | None) -> dict[str, Any]:
    stored = stored_name(version_id, attempt, name)
    file.seek(0)
    sha256, size = storage.save_named(stored, file)
    return {"stored": stored, "sha256": sha256, "bytes": size, "rows": rows}


class _Parquet:
    """All rows as columns; a prompt of messages stands there as JSON text, since a column has one type."""

    @classmethod
    def to(cls, file: IO[bytes]) -> Self | None:
        """None where the extra `parquet` is not installed."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            return None
        return cls(pa, pq, file)

    def __init__(self, pa: Any, pq: Any, file: IO[bytes]) -> None:
        self._pa, self._file = pa, file
        text, number = pa.string(), pa.float64()
        sides = pa.struct([("chosen", text), ("rejected", text)])
        self._schema = pa.schema(
            [
                ("prompt", text), ("chosen", text), ("rejected", text), ("p", number), ("weight", number),
                ("margin", number), ("pair_id", text), ("group_id", text), ("rank", pa.list_(pa.int64())),
                ("prompt_cluster", text), ("criterion", text), ("strength", number), ("n_votes", pa.int64()),
                ("guideline_version", pa.int64()), ("domain", text), ("language", text), ("models", sides),
                ("split", text),
            ]
        )  # fmt: skip
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batch: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        prompt = row["prompt"]
        self._batch.append(
            {**row, "prompt": prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)}
        )
        if len(self._batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._pa.Table.from_pylist(self._batch, schema=self._schema))
        self._batch = []

    def end(self) -> IO[bytes]:
        if self._batch:
            self._flush()
        self.close()
        return self._file

    def close(self) -> None:
        self._writer.close()
