"""Pages of an import: choose a file, see what would happen, start it; what is wrong, as a list and as a sheet."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.config import settings
from app.exchange import queries, uploads
from app.exchange.schemas import ImportOptions, ReadingForm, TargetForm
from app.models import Job, JobState
from app.projects import queries as project_queries
from app.projects.access import ProjectAccess, ProjectAdmin, require_writable
from app.projects.navigation import studio_nav
from app.queue import ACTIVE
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("/projects/{project_id}/import")
def show_import(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    return _import_page(request, session, access)


def _import_page(request: Request, session: Session, access: ProjectAccess, error: str = "") -> Response:
    context = {
        "nav": studio_nav(access, "import"),
        "project": access.project,
        "batches": queries.batches(session, access.project.id),
        "limit_bytes": settings().max_upload_bytes,
        "error": error,
    }
    return render(request, "exchange/import.html", context, status=422 if error else 200)


@router.post("/projects/{project_id}/import", max_body_size=uploads.UPLOAD_BYTES)
def upload(
    request: Request,
    session: DbSession,
    access: ProjectAdmin,
    fields: FormFields,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    require_writable(access)
    if file is None or not file.filename:
        return _import_page(request, session, access, _("Choose a file first."))
    wanted, _errors = parse_form(ReadingForm, fields)
    options = ImportOptions(**(wanted or ReadingForm()).model_dump())
    preview = uploads.take_upload(
        session,
        viewer_id=access.viewer.id,
        project_id=access.project.id,
        stream=file.file,
        filename=file.filename,
        options=options,
    )
    if preview.state == JobState.FAILED:
        return _preview_page(request, session, access, preview, status=422)
    return redirect(request, f"/projects/{access.project.id}/import/{preview.id}")


@router.get("/projects/{project_id}/import/{job_id}")
def show_preview(request: Request, session: DbSession, access: ProjectAdmin, job_id: int) -> Response:
    """The preview's progress while it runs; then what would happen, or what is wrong."""
    return _preview_page(request, session, access, uploads.find_preview(session, job_id, access.project.id))


def _preview_page(
    request: Request,
    session: Session,
    access: ProjectAccess,
    preview: Job,
    *,
    status: int = 200,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    project_id = access.project.id
    _version, policy = project_queries.current_policy(session, project_id)
    _version, schema = project_queries.current_schema(session, project_id)
    context = {
        "nav": studio_nav(access, "import"),
        "project": access.project,
        "preview": preview,
        "seen": preview.result or {},
        "is_active": preview.state in ACTIVE,
        "policy": policy,
        "schema": schema,
        "values": {"overlap": "", "extra_overlap": 0} | (values or {}),
        "errors": Errors(errors or {}),
    }
    return render(request, "exchange/preview.html", context, status=status)


@router.post("/projects/{project_id}/import/{job_id}/start")
def start_import(
    request: Request, session: DbSession, access: ProjectAdmin, job_id: int, fields: FormFields
) -> Response:
    require_writable(access)
    preview = uploads.find_preview(session, job_id, access.project.id)
    wanted, errors = parse_form(TargetForm, {name: value for name, value in fields.items() if value != ""})
    if wanted is None:
        values = {name: fields.get(name, "") for name in TargetForm.model_fields}
        return _preview_page(request, session, access, preview, status=422, values=values, errors=errors)
    job = uploads.start_import(session, viewer_id=access.viewer.id, preview=preview, **wanted.model_dump())
    return redirect(request, f"/jobs/{job.id}")


@router.get("/projects/{project_id}/import/{job_id}/problems.csv")
def download_problems(session: DbSession, access: ProjectAdmin, job_id: int) -> Response:
    """The problems as a sheet; cells that a spreadsheet would take for a formula are quoted."""
    _filename, problems = uploads.find_problems(session, job_id, access.project.id)
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["row", "column", "problem"])
    for problem in problems:
        writer.writerow([_cell(problem[name]) for name in ("row", "column", "sentence")])
    return Response(
        sheet.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="import-problems-{job_id}.csv"'},
    )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
