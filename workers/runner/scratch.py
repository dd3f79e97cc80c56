"""The folder on the worker's own disk in which an attempt computes; its path carries run and attempt."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app import storage
from app.config import settings
from app.database import JSON, unit_of_work
from app.errors import Invalid
from app.training import ledger_queries

TRAIN, HELD_OUT, LINEAGE, OUT = "train.jsonl", "held_out.jsonl", "lineage.json", "out"
_NAME = re.compile(r"(run|evaluation)-(\d+)-attempt-(\d+)")


@contextmanager
def folder_of(number: int, attempt: int, *, kind: Literal["run", "evaluation"] = "run") -> Iterator[Path]:
    """A fresh folder, gone at the end; what workers that were killed left behind goes too.

    `number` is the id of a run, or of the job of an evaluation.
    """
    root = (settings().scratch_dir or settings().data_dir / "scratch").resolve()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{kind}-{number}-attempt-{attempt}"
    clear_leftovers(root)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(root: Path) -> None:
    """Folders of attempts that are not the running one of their run or evaluation: nobody reads them again."""
    found = {path: match for path in root.iterdir() if (match := _NAME.fullmatch(path.name))}
    numbers = {kind: [int(match[2]) for match in found.values() if match[1] == kind] for kind in ("run", "evaluation")}
    with unit_of_work() as session:
        running = {
            "run": ledger_queries.running_attempts(session, numbers["run"]),
            "evaluation": ledger_queries.running_evaluations(session, numbers["evaluation"]),
        }
    for path, match in found.items():
        if (int(match[2]), int(match[3])) not in running[match[1]]:
            shutil.rmtree(path, ignore_errors=True)


def materialise(folder: Path, files: JSON, lineage: JSON, *, between: Callable[[], None]) -> None:
    """Put the frozen files and the lineage there; Invalid where a file is not what was frozen."""
    (folder / LINEAGE).write_text(json.dumps(lineage, default=str))
    for name in (TRAIN, HELD_OUT):
        facts = files.get(name)
        if facts is None:
            raise Invalid("The data set has no file %(name)s; freeze it again.", name=name)
        if not _is_whole(facts, folder / name, between):
            raise Invalid(
                "The frozen file %(name)s is not what was frozen (its sha256 differs). Nothing was trained; "
                "freeze the data set again.",
                name=name,
            )


def materialise_model(folder: Path, files: JSON, *, between: Callable[[], None]) -> None:
    """Put the model of an earlier run there; Invalid where a file is not what that run made."""
    folder.mkdir()
    for name, facts in files.items():
        if not _is_whole(facts, folder / name, between):
            raise Invalid(
                "The file %(name)s of the earlier run is not what it made (its sha256 differs). Nothing was computed; "
                "train that run again, or choose another one.",
                name=name,
            )


def materialise_file(target: Path, facts: JSON, *, between: Callable[[], None]) -> None:
    """Put one stored file there; Invalid where it is not what was recorded."""
    if not _is_whole(facts, target, between):
        raise Invalid(
            "The file to measure on is not what was kept (its sha256 differs). Nothing was measured; give it again."
        )


def _is_whole(facts: JSON, target: Path, between: Callable[[], None]) -> bool:
    """Copy a stored file; whether it is the one that was recorded."""
    digest = hashlib.sha256()
    with storage.open_stored(facts["stored"]) as source, target.open("wb") as out:
        while chunk := source.read(storage.CHUNK):
            between()
            digest.update(chunk)
            out.write(chunk)
    return bool(digest.hexdigest() == facts["sha256"])
