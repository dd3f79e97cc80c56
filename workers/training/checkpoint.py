"""Checkpoints that survive a kill at any moment: written aside, manifest last, renamed once, verified on load.

A checkpoint is a folder `step-00000040` with everything that the next step depends on. It appears under its name by
one rename after all its bytes are on the disk, so that a half-written one is never found; its manifest names each
file with its sha256, so that one damaged later is found out, and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.training.errors import OutOfSpace, is_full
from workers.training.report import Report

MANIFEST = "manifest.json"
KEPT = 2
_CHUNK = 1 << 20


class Damaged(Exception):
    """A folder whose files are not those that its manifest names."""


class Checkpoints:
    """The checkpoints of one run in one folder: the last two, and the best ones that these two name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Steps with a folder, oldest first, verified or not."""
        found = (path.name.removeprefix("step-") for path in self.folder.glob("step-*") if path.is_dir())
        return sorted(int(name) for name in found if name.isdigit())

    def save(self, step: int, write: Callable[[Path], None], facts: dict[str, Any]) -> Path:
        """Commit what `write` puts into a folder; on a full disk nothing changes and `OutOfSpace` says what is kept."""
        kept = self.steps()
        try:
            commit_folder(self.path(step), write, facts)
        except Exception as error:
            if not is_full(error):
                raise
            last = f"The checkpoint of step {kept[-1]} is whole" if kept else "There is no earlier checkpoint"
            raise OutOfSpace(
                f"The disk is full: the checkpoint of step {step} could not be written to {self.folder}. {last}. "
                "Free some space and give the same command again."
            ) from error
        self._prune()
        return self.path(step)

    def latest(self, report: Report) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint whose files are whole, with its facts; damaged ones are named and passed over."""
        for step in reversed(self.steps()):
            try:
                return self.path(step), verify(self.path(step))
            except Damaged as error:
                report(
                    {"event": "notice", "message": f"The checkpoint of step {step} is damaged and not used: {error}"}
                )
        return None

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prune(self) -> None:
        recent = self.steps()[-KEPT:]
        named = {self._facts(step).get("best_step") for step in recent}
        for step in self.steps():
            if step not in recent and step not in named:
                shutil.rmtree(self.path(step), ignore_errors=True)

    def _facts(self, step: int) -> dict[str, Any]:
        try:
            facts = json.loads((self.path(step) / MANIFEST).read_text())["facts"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return facts if isinstance(facts, dict) else {}


def commit_folder(final: Path, write: Callable[[Path], None], facts: dict[str, Any]) -> None:
    """Let `write` fill a folder aside, add the manifest, put all of it on the disk, and give it its name."""
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.parent / f".{final.name}.partial"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        write(aside)
        seal(aside, facts)
        if final.exists():  # a damaged one of the same step
            shutil.rmtree(final)
        aside.rename(final)
        _sync(final.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a folder's files after they have reached the disk."""
    for path in _files(folder):
        path.chmod(0o644)  # safetensors writes for the owner only; the web process may be somebody else
    files = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    for path in _files(folder):
        _sync(path)
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"format": 1, "files": files, "facts": facts}, indent=1, allow_nan=False))
    _sync(manifest)
    _sync(folder)


def verify(folder: Path) -> dict[str, Any]:
    """The facts of a sealed folder, or `Damaged` with the file that is missing, short or changed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files, facts = dict(manifest["files"]), dict(manifest["facts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged("its manifest cannot be read.") from error
    for name, expected in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise Damaged(f"{name} is missing.")
        if _digest(path) != expected:
            raise Damaged(f"{name} is not what was saved.")
    return facts


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _digest(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
