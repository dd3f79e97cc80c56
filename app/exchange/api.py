"""JSON routes of imports: upload and preview, start, list. The work itself is followed under /jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile

from app.errors import Invalid
from app.exchange import queries, uploads
from app.exchange.schemas import ImportBatchOut, ImportBatchPage, ImportOptions, TargetForm
from app.models import JobState
from app.projects.access import ProjectAdmin, require_writable
from app.queue import snapshot
from app.web.request import DbSession

router = APIRouter(tags=["imports"])
PAGE = 50


@router.post("/projects/{project_id}/imports", status_code=202, max_body_size=uploads.UPLOAD_BYTES)
def upload(
    session: DbSession,
    access: ProjectAdmin,
    file: Annotated[UploadFile, File(description="JSONL, CSV or Parquet; may be packed as .gz, or .zip of one file.")],
    chosen_votes: Annotated[bool, Form()] = True,
    keep_same: Annotated[bool, Form()] = False,
) -> dict[str, Any]:
    """Upload a file and rehearse its import; the job's result says what would happen. 422 where it has problems."""
    require_writable(access)
    preview = uploads.take_upload(
        session,
        viewer_id=access.viewer.id,
        project_id=access.project.id,
        stream=file.file,
        filename=file.filename or "",
        options=ImportOptions(chosen_votes=chosen_votes, keep_same=keep_same),
    )
    if preview.state == JobState.FAILED:
        refused = Invalid("%(sentence)s", code="import_refused", sentence=preview.error)
        refused.details = preview.result
        raise refused
    session.refresh(preview)
    return snapshot(preview)


@router.post("/projects/{project_id}/imports/{job_id}/start", status_code=202)
def start_import(
    session: DbSession, access: ProjectAdmin, job_id: int, target: TargetForm | None = None
) -> dict[str, Any]:
    """Start the import that the preview `job_id` has shown; a second time, the same job."""
    require_writable(access)
    preview = uploads.find_preview(session, job_id, access.project.id)
    job = uploads.start_import(
        session, viewer_id=access.viewer.id, preview=preview, **(target or TargetForm()).model_dump()
    )
    return snapshot(job)


@router.get("/projects/{project_id}/imports")
def list_imports(
    session: DbSession, access: ProjectAdmin, cursor: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> ImportBatchPage:
    """Imports that added something, newest first."""
    found = queries.batches(session, access.project.id, before=cursor, limit=PAGE + 1)
    return ImportBatchPage(
        items=[ImportBatchOut.model_validate(batch) for batch in found[:PAGE]],
        next_cursor=str(found[PAGE - 1].id) if len(found) > PAGE else None,
    )
