"""Votes from a file: JSONL or CSV with the columns item, annotator and label, and perhaps cluster."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app.errors import Invalid

COLUMNS = ("item", "annotator", "label")


CLUSTER = "cluster"


class FileVotes(NamedTuple):
    """(item, annotator, label) of each vote in the order of the file; `clusters` is None without such a column."""

    votes: list[tuple[str, str, str]]
    clusters: list[str] | None


def read_votes(path: Path) -> FileVotes:
    """Invalid with row and column where a vote cannot be used."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("The file is not UTF-8 (byte %(byte)d). Save it as UTF-8.", byte=error.start) from None
    except OSError as error:
        raise Invalid("The file cannot be read: %(why)s.", why=error.strerror or str(error)) from None
    rows = _json_rows(text) if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else _csv_rows(text)
    seen: set[tuple[str, str]] = set()
    votes: list[tuple[str, str, str]] = []
    clusters: list[str] = []
    cluster_of: dict[str, str] = {}
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
        if CLUSTER in row or clusters:
            clusters.append(_cluster(row, number, item, cluster_of, is_first=not votes))
        votes.append((item, annotator, label))
    if not votes:
        raise Invalid("The file holds no votes. It needs the columns item, annotator and label.")
    return FileVotes(votes, clusters or None)


def _cluster(row: dict[str, Any], number: int, item: str, cluster_of: dict[str, str], *, is_first: bool) -> str:
    if not is_first and not cluster_of:
        raise Invalid("Row %(row)d has a cluster and the rows before it have none. Give all one, or none.", row=number)
    cluster = _cell(row, number, CLUSTER)
    known = cluster_of.setdefault(item, cluster)
    if known != cluster:
        raise Invalid(
            "Row %(row)d: item %(item)s is in cluster %(cluster)s here and in %(known)s before.",
            row=number,
            item=item,
            cluster=cluster,
            known=known,
        )
    return cluster


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
