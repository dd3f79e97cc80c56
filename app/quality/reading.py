"""Votes from a file: JSONL or CSV with the columns item, annotator and label."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import Invalid

COLUMNS = ("item", "annotator", "label")


def read_votes(path: Path) -> list[tuple[str, str, str]]:
    """The votes in the order of the file; Invalid with row and column where one cannot be used."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("The file is not UTF-8 (byte %(byte)d). Save it as UTF-8.", byte=error.start) from None
    except OSError as error:
        raise Invalid("The file cannot be read: %(why)s.", why=error.strerror or str(error)) from None
    rows = _json_rows(text) if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else _csv_rows(text)
    seen: set[tuple[str, str]] = set()
    votes = []
    for number, row in rows:
        item, annotator, label = (_cell(row, number, column) for column in COLUMNS)
        if (item, annotator) in seen:
            raise Invalid(
                "Row %(row)d: annotator %(annotator)s has already judged item %(item)s. Keep one vote of each.",
                row=number,
                annotator=annotator,
                item=item,
            )
        seen.add((item, annotator))
        votes.append((item, annotator, label))
    if not votes:
        raise Invalid("The file holds no votes. It needs the columns item, annotator and label.")
    return votes


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise Invalid("Row %(row)d is not JSON: %(why)s.", row=number, why=error.msg) from None
        if not isinstance(row, dict):
            raise Invalid("Row %(row)d is not an object with item, annotator and label.", row=number)
        yield number, row


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines(keepends=True))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
    if missing:
        raise Invalid(
            "The columns %(missing)s are missing; the file has %(found)s.",
            missing=", ".join(missing),
            found=", ".join(reader.fieldnames or []) or "none",
        )
    for row in reader:
        yield reader.line_num, row


def _cell(row: dict[str, Any], number: int, column: str) -> str:
    value = row.get(column)
    if value is None or not str(value).strip():
        raise Invalid("Row %(row)d, column %(column)s: it is empty.", row=number, column=column)
    return str(value).strip()
