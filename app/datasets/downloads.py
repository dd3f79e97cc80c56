"""A file of a version as a download: an attachment, streamed, under a name that says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from starlette.responses import StreamingResponse

from app import storage
from app.datasets import service
from app.datasets.files import MEDIA_TYPES
from app.models import DatasetVersion, Project

LONGEST_SLUG = 60


def download(project: Project, version: DatasetVersion, name: str) -> StreamingResponse:
    """`project-dataset-3-train.jsonl`; NotFound for a name that the version does not have."""
    stream, size = service.open_file(version, name)
    return StreamingResponse(
        _chunks(stream),
        media_type=MEDIA_TYPES[PurePath(name).suffix],
        headers={
            "Content-Disposition": f'attachment; filename="{filename(project, version, name)}"',
            "Content-Length": str(size),
            "Cache-Control": "private, no-store",
        },
    )


def filename(project: Project, version: DatasetVersion, name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", project.name.lower())[:LONGEST_SLUG].strip("-")
    return f"{slug or 'project'}-dataset-{version.number}-{name}"


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(storage.CHUNK):
            yield chunk
