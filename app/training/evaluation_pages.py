"""Pages of evaluations: the form on a finished run, and what an evaluation found."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from app import queue
from app.config import settings
from app.datasets import queries as dataset_queries
from app.errors import Invalid
from app.models import Job, Role
from app.projects.access import require_writable
from app.projects.navigation import studio_nav
from app.training import evaluation_results, evaluations, queries, results
from app.training.access import RunAccess, RunAdmin, RunReader
from app.training.evaluation_schemas import ASKED_APART, OF_POLICIES, EvaluationOptions
from app.training.kinds import kinds
from app.training.options import SCRATCH
from app.training.options.offered import offered
from app.training.versions import version_label
from app.web.filters import format_number
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
DATASET, FILE = "dataset", "file"


@router.get("/projects/{project_id}/training/{number}/evaluations/new")
def new_evaluation(request: Request, session: DbSession, access: RunAdmin) -> Response:
    require_writable(access.place)
    values = EvaluationOptions(criterion=access.run.options.get("criterion", "")).model_dump()
    return _form(request, session, access, values={**values, "source": DATASET})


def _form(
    request: Request,
    session: Session,
    access: RunAccess,
    *,
    values: dict[str, Any],
    errors: dict[str, str] | None = None,
) -> Response:
    run, project_id = access.run, access.project.id
    is_policy = run.algorithm in queries.POLICIES
    others = {
        name: _runs(session, access, algorithms)
        for name, algorithms in (("scorers", queries.SCORERS), ("policies", queries.POLICIES))
    }
    left_out = ASKED_APART if is_policy else (*ASKED_APART, *OF_POLICIES)
    context = {
        "nav": studio_nav(access.place, "training"),
        "project": access.project,
        "run": run,
        "is_policy": is_policy,
        "versions": [
            (each.number, version_label(each)) for each in dataset_queries.frozen_versions(session, project_id)
        ],
        "scorers": [("", _("None")), *others["scorers"]],
        "policies": [*_beginning(access), *others["policies"]],
        "options": [each for each in offered(EvaluationOptions) if each.name not in left_out],
        "limit_bytes": settings().max_upload_bytes,
        "values": values,
        "errors": Errors(errors or {}),
        "base": f"/projects/{project_id}/training",
    }
    return render(request, "training/evaluate.html", context, status=422 if errors else 200)


def _runs(session: Session, access: RunAccess, algorithms: tuple[str, ...]) -> list[tuple[int, str]]:
    found = queries.finished_runs(session, access.project.id, algorithms)
    return [(each.number, f"{format_number(each.number)} · {each.name}") for each in found if each.id != access.run.id]


def _beginning(access: RunAccess) -> list[tuple[str, str]]:
    """What the run began with, as the choice that needs none; a model from scratch is not there to be compared."""
    options = access.run.options
    if options.get("base_run") is None and options.get("model") == SCRATCH:
        return [("", _("Please choose"))]
    return [("", _("What it began with: %(model)s") % {"model": options.get("model", "")})]


@router.post("/projects/{project_id}/training/{number}/evaluations", max_body_size=evaluations.UPLOAD_BYTES)
def start_evaluation(
    request: Request,
    session: DbSession,
    access: RunAdmin,
    fields: FormFields,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    require_writable(access.place)
    source = str(fields.get("source", DATASET))
    given = {name: value for name, value in fields.items() if value != "" and name != "file"}
    if source == FILE:
        given.pop("dataset", None)
    options, errors = parse_form(EvaluationOptions, given)
    upload = None
    if source == FILE and (file is None or not file.filename):
        errors["file"] = _("Choose a file first.")
    elif source == FILE and file is not None:
        upload = evaluations.Upload(file.file, file.filename or "")
    elif "dataset" not in given:
        errors["dataset"] = _("Please choose a frozen version.")
    typed = {name: fields.get(name, "") for name in ("source", *EvaluationOptions.model_fields)}
    if errors or options is None:
        return _form(request, session, access, values=typed, errors=errors)
    try:
        job = evaluations.start(session, run=access.run, actor_id=access.viewer.id, options=options, upload=upload)
    except Invalid as refused:
        if refused.field is None:
            raise
        sentence = _(refused.message) % refused.parameters
        return _form(request, session, access, values=typed, errors={refused.field: sentence})
    return redirect(request, f"/projects/{access.project.id}/training/{access.run.number}/evaluations/{job.id}")


@router.get("/projects/{project_id}/training/{number}/evaluations/{job_id}")
def show_evaluation(request: Request, session: DbSession, access: RunReader, job_id: int) -> Response:
    job = evaluations.find(session, access.run, job_id)
    return render(request, "training/evaluation.html", _context(access, job))


def _context(access: RunAccess, job: Job) -> dict[str, Any]:
    shown = evaluations.shown(job)
    phase = evaluation_results.phases().get(job.phase) or job.phase
    context: dict[str, Any] = {
        "nav": studio_nav(access.place, "training"),
        "project": access.project,
        "base": f"/projects/{access.project.id}/training",
        "run": access.run,
        "kind": kinds()[access.run.algorithm],
        "evaluation": shown,
        "is_active": job.state in queue.ACTIVE,
        "state": "cancelling" if job.state.value == "running" and job.cancel_requested_at else job.state.value,
        "phase": phase or None,
        "done": round(100 * job.progress) if job.progress else None,
        "may_change": access.place.may(Role.ADMIN),
        "is_evaluation": True,
    }
    if shown.result is None:
        return context
    if access.run.algorithm in queries.SCORERS:
        values = evaluation_results.pairs(shown.result)
        return context | {
            "values": values,
            "measured": results.measured(values, access.run.algorithm) if values else None,
            "against": evaluation_results.against(shown.result),
            "best_of": evaluation_results.best_of(shown.result),
        }
    return context | {
        "values": shown.result,
        "groups": evaluation_results.groups(shown.result),
        "implicit": evaluation_results.implicit(shown.result),
    }
