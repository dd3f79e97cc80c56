"""`python -m app import`: the import of the browser without a browser, and published data sets by name."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sqlalchemy.orm import Session

from app.config import settings
from app.database import unit_of_work
from app.errors import ConfigurationError, Invalid, NotFound
from app.exchange import queries
from app.exchange.converters import CONVERTERS, RANKED, write_jsonl
from app.exchange.loading import ImportCounts
from app.exchange.problems import ImportProblem
from app.exchange.schemas import ImportOptions
from app.exchange.service import ImportRefused, import_file
from app.models import Project
from app.projects.definitions import AnswerSchema, Pairwise, Policy, Ranking
from app.projects.service import create_project

FORMATS = {"auto": None, "finegrained-qa": "finegrained_qa", "hh": "hh", "ukp-convarg1": "ukp_convarg1"}
SHOWN_LEFT_OUT = 3


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import: what it is called, where it lies, and what a converter had to leave out of it."""

    path: Path
    name: str
    left_out: list[ImportProblem]


class ProgressLine:
    """One line that is written over in a terminal, and a line every tenth elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.tenth = 0

    def __call__(self, *, progress: float | None = None, phase: str | None = None, message: str | None = None) -> None:
        if phase == "waiting":
            said = "Waiting for another import into this project to end ..."
        else:
            said = f"{int(100 * (progress or 0)):3d} %  {int(message or 0):,} rows"
        if self.out.isatty():
            self.out.write(f"\r{said}\x1b[K")
            self.out.flush()
        elif message != "0" and int(10 * (progress or 0)) > self.tenth:
            self.tenth = int(10 * (progress or 0))
            print(said, file=self.out)

    def end(self) -> None:
        if self.out.isatty():
            self.out.write("\r\x1b[K")


def run(
    *,
    project: str | None,
    file: Path,
    create: str | None,
    data_format: str,
    options: ImportOptions,
    out: TextIO | None = None,
    errors: TextIO | None = None,
) -> int:
    """Import `file` into the project named, or into a new one called `create`; returns the exit code.

    What is wrong with the file goes to `errors`, one line a problem; whatever else goes wrong is raised as AppError.
    """
    out, errors = out or sys.stdout, errors or sys.stderr
    if not settings().database_url:
        raise ConfigurationError(
            "No running Accord was found, and DATABASE_URL is not set. Start it (make up), name its data folder in "
            "ACCORD_DATA_DIR, or set DATABASE_URL."
        )
    if data_format not in FORMATS:
        raise Invalid(
            "The format %(name)s is unknown. Use one of: %(known)s.", name=data_format, known=", ".join(FORMATS)
        )
    line = ProgressLine(errors)
    try:
        with source_of(file, FORMATS[data_format]) as source, unit_of_work() as session:
            target = _project(session, project, create, data_format, options)
            counts = import_file(
                session,
                project_id=target.id,
                source=source.path,
                filename=source.name,
                file_hash=_hash(source.path),
                actor_id=None,
                options=options if data_format == "auto" else options.model_copy(update={"keep_same": True}),
                reporter=line,
            )
    except ImportRefused as refused:
        line.end()
        print("Nothing was imported.", file=errors)
        for problem in refused.problems:
            print(problem.message, file=errors)
        return 1
    line.end()
    for sentence in summary(counts, source.left_out, target):
        print(sentence, file=out)
    return 0


def summary(counts: ImportCounts, left_out: list[ImportProblem], project: Project) -> Iterator[str]:
    """What was done, in lines for a terminal."""
    known = f"tasks ({counts.gold_tasks:,} with a known answer)" if counts.gold_tasks else "tasks"
    added = [
        (counts.tasks, known),
        (counts.responses, "responses"),
        (counts.votes, "votes"),
        (counts.annotators, "new annotators"),
    ]
    said = ", ".join(f"{n:,} {what}" for n, what in added if n)
    yield f"Project {project.id}, {project.name}: {said or 'nothing new'}."
    if counts.repeated_rows or counts.repeated_votes:
        yield (f"Already there, and left as they were: {counts.repeated_rows:,} rows, {counts.repeated_votes:,} votes.")
    if left_out:
        yield f"Left out of the data set: {len(left_out):,} rows. The first:"
        yield from (f"  {problem.message}" for problem in left_out[:SHOWN_LEFT_OUT])


@contextmanager
def source_of(file: Path, converter: str | None) -> Iterator[Source]:
    """The file itself, or what a converter makes of a published data set's folder."""
    if not file.exists():
        raise NotFound("There is no file %(path)s.", path=str(file))
    if converter is None:
        if file.is_dir():
            raise Invalid("%(path)s is a folder. Name the file in it, or a --format of a data set.", path=str(file))
        yield Source(file, file.name, [])
        return
    folder = file if file.is_dir() else file.parent
    left_out: list[ImportProblem] = []
    with tempfile.TemporaryDirectory(prefix="accord-import-") as work:
        written = Path(work) / f"{converter}.jsonl"
        try:
            write_jsonl(CONVERTERS[converter](folder, left_out), written)
        except (FileNotFoundError, KeyError) as fault:
            raise Invalid(
                "%(path)s does not hold the data set %(name)s as it was published (%(detail)s).",
                path=str(folder),
                name=converter,
                detail=str(fault),
            ) from fault
        yield Source(written, written.name, left_out)


def _project(
    session: Session, named: str | None, create: str | None, data_format: str, options: ImportOptions
) -> Project:
    if create is not None:
        # Published comparisons are bare choices: a scale of one step takes each as a full vote.
        published = Ranking() if FORMATS[data_format] in RANKED else Pairwise(strength_steps=1)
        schema = AnswerSchema() if data_format == "auto" else AnswerSchema(overall=published)
        return create_project(
            session,
            viewer_id=None,
            name=create,
            question="Which response is better?",
            language="en",
            timezone="UTC",
            policy=Policy() if options.overlap is None else Policy(overlap=options.overlap),
            schema=schema,
        )
    assert named is not None
    by_id = session.get(Project, int(named)) if named.isdecimal() and len(named) < 19 else None
    found = [by_id] if by_id is not None else queries.projects_named(session, named)
    if not found:
        raise NotFound("There is no project %(name)s. Name it by its number, or make one with --create.", name=named)
    if len(found) > 1:
        numbers = ", ".join(str(project.id) for project in found)
        raise Invalid("Several projects are called %(name)s. Use a number: %(numbers)s.", name=named, numbers=numbers)
    return found[0]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
