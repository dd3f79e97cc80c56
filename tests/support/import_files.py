"""Import files in each format, written from rows the way a user's own program would."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from app.exchange.rows import ImportRow, to_record

GOOD = {"prompt": "Why is the sky blue?", "responses": ["Light scatters.", "It reflects the sea."]}


def jsonl(*records: Any) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def csv_file(header: str, *lines: str) -> bytes:
    return "\n".join((header, *lines)).encode() + b"\n"


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return target.getvalue()


def as_jsonl(rows: Iterable[ImportRow]) -> bytes:
    return jsonl(*(to_record(row) for row in rows))


def as_csv(rows: Iterable[ImportRow], delimiter: str = ",") -> bytes:
    """Texts flat, lists and objects as JSON in the cell."""
    names = ["task_id", "prompt", "responses", "domain", "language", "tags", "metadata", "gold", "gold_explanation"]
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, [*names, "votes"], delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        record = to_record(row)
        gold = record.pop("gold", None)
        if gold:
            record |= {"gold": gold["choice"], "gold_explanation": gold.get("explanation", "")}
        writer.writerow(
            {
                name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for name, value in record.items()
            }
        )
    return target.getvalue().encode()


def as_parquet(rows: Iterable[ImportRow]) -> bytes:
    """Lists and objects as Parquet's own, but for metadata, whose keys differ from row to row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = []
    for row in rows:
        record = to_record(row)
        if not isinstance(record["prompt"], str):
            record["prompt"] = json.dumps(record["prompt"])
        if "metadata" in record:
            record["metadata"] = json.dumps(record["metadata"])
        for response in record["responses"]:
            if "metadata" in response:
                response["metadata"] = json.dumps(response["metadata"])
        records.append(record)
    columns = sorted({name for record in records for name in record})
    table = pa.Table.from_pydict({name: [record.get(name) for record in records] for name in columns})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def parquet_of(columns: dict[str, list[Any]], compression: str = "snappy") -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression=compression)
    return target.getvalue()
