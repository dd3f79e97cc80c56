"""A training job: the row names a run, and a process of its own computes it."""

from __future__ import annotations

from app.database import JSON
from app.errors import Unavailable
from app.models import Job as JobRow
from app.queue import Reporter


def train(_job: JobRow, _reporter: Reporter) -> JSON | None:
    """Nothing is computed yet: the job ends with a sentence."""
    raise Unavailable("This worker cannot train yet.")
