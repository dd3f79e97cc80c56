"""Pages of training: the runs and the queue, a new run, one run with its card, curves, result and files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.responses import Response

from app import queue
from app.config import settings
from app.datasets import queries as dataset_queries
from app.errors import Invalid, NotFound
from app.models import Role, TrainingRun
from app.projects.access import ProjectAccess, ProjectAdmin, ProjectReviewer, require_writable
from app.projects.navigation import studio_nav
from app.training import curves, evaluation_queries, evaluations, results, service
from app.training.access import LARGEST_NUMBER, RunAccess, RunAdmin, RunReader
from app.training.downloads import attachment, text_attachment
from app.training.kinds import Kind, kinds
from app.training.options import MINILM, OPTIONS, SCRATCH, Algorithm, default_model
from app.training.options.offered import offered
from app.training.queries import finished_policies, run_by_number
from app.training.schemas import RunDetail, RunHead
from app.training.versions import version_label
from app.web import markdown
from app.web.filters import format_number
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect, wants_partial
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()

Number = Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)]
After = Annotated[int, Query(ge=0, lt=2**31, description="The last step that is known already.")]
OTHER, EARLIER, NEWEST = "other", "run", ""
"""What a run may begin with beside the models that come along; NEWEST is an earlier run's model where there is one."""


@router.get("/projects/{project_id}/training")
def list_runs(request: Request, session: DbSession, access: ProjectReviewer, cursor: Number = None) -> Response:
    project_id = access.project.id
    found = service.list_runs(session, project_id, before=cursor)
    has_data = bool(found.items) or bool(dataset_queries.frozen_versions(session, project_id))
    address = f"/projects/{project_id}/training"
    context = {
        "nav": studio_nav(access, "training"),
        "project": access.project,
        "is_admin": access.may(Role.ADMIN),
        "runs": found.items,
        "queue": service.show_queue(session, project_id),
        "kinds": kinds(),
        "has_data": has_data,
        "first_page": address if cursor else None,
        "next_page": f"{address}?cursor={found.next_cursor}" if found.next_cursor else None,
    }
    return render(request, "training/runs.html", context)


@router.get("/projects/{project_id}/training/new")
def new_run(
    request: Request,
    session: DbSession,
    access: ProjectAdmin,
    algorithm: Annotated[Algorithm, Query(description="What to train.")] = "reward_model",
    dataset: Number = None,
    like: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="A run whose options to begin with.")
    ] = None,
    base: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="A run whose model to train further.")
    ] = None,
) -> Response:
    """The form of one algorithm, with the defaults or with the options of an earlier run."""
    require_writable(access)
    earlier = run_by_number(session, access.project.id, like) if like else None
    if earlier is not None:
        algorithm = earlier.algorithm  # type: ignore[assignment]  # start_run wrote it
    kind = kinds()[algorithm]
    values: dict[str, Any] = {**OPTIONS[algorithm]().model_dump(), "dataset": dataset, "name": ""}
    if not kind.is_policy:
        values["model"] = default_model()
    if earlier is not None:
        version = dataset_queries.version_by_id(session, earlier.dataset_version_id)
        values |= earlier.options | {"name": earlier.name, "dataset": dataset or (version.number if version else None)}
    elif kind.is_policy and base:
        values["base_run"] = base
    begin = _model_fields(values)
    if kind.algorithm == "dpo" and not (earlier or base):
        begin["model_kind"] = NEWEST
    return _form(request, session, access, kind, values=values | begin, earlier=earlier)


def _model_fields(values: dict[str, Any]) -> dict[str, str]:
    """The model as the form asks for it: one that comes along, an earlier run's, or a name of its own."""
    model = values["model"]
    if values.get("base_run"):
        return {"model_kind": EARLIER, "model_name": ""}
    known = model in (MINILM, SCRATCH)
    return {"model_kind": model if known else OTHER, "model_name": "" if known else model}


def _form(
    request: Request,
    session: Session,
    access: ProjectAccess,
    kind: Kind,
    *,
    values: dict[str, Any],
    errors: dict[str, str] | None = None,
    earlier: TrainingRun | None = None,
) -> Response:
    versions = dataset_queries.frozen_versions(session, access.project.id)
    options = offered(OPTIONS[kind.algorithm])
    bases = finished_policies(session, access.project.id) if kind.is_policy else []
    if values["model_kind"] == NEWEST:
        values["model_kind"] = EARLIER if bases else SCRATCH
    context = {
        "nav": studio_nav(access, "training"),
        "project": access.project,
        "kind": kind,
        "kinds": kinds(),
        "versions": [(version.number, version_label(version)) for version in versions],
        "bases": [(run.number, f"{format_number(run.number)} · {run.name}") for run in bases],
        "options": options,
        "has_advanced_error": any(each.name in (errors or {}) for each in options if not each.is_basic),
        "values": values,
        "errors": Errors(errors or {}),
        "earlier": earlier,
    }
    return render(request, "training/new.html", context, status=422 if errors else 200)


@router.post("/projects/{project_id}/training")
def start_run(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    require_writable(access)
    kind = kinds().get(str(fields.get("algorithm", "reward_model")))
    if kind is None:
        raise NotFound
    head, errors = parse_form(RunHead, fields)
    options, option_errors = parse_form(OPTIONS[kind.algorithm], _chosen(fields))
    errors |= {"model_name" if name == "model" else name: sentence for name, sentence in option_errors.items()}
    version = None
    if head is not None:
        version = dataset_queries.version_by_number(session, access.project.id, head.dataset)
        if version is None or version.frozen_at is None:
            errors["dataset"] = _("Please choose a frozen version.")
    if errors or head is None or options is None or version is None:
        return _form(request, session, access, kind, values=_typed(kind, fields), errors=errors)
    try:
        run = service.start_run(
            session,
            project=access.project,
            actor_id=access.viewer.id,
            version=version,
            name=head.name,
            options=options,
        )
    except Invalid as refused:
        if refused.field is None:
            raise
        sentence = _(refused.message) % refused.parameters
        return _form(request, session, access, kind, values=_typed(kind, fields), errors={refused.field: sentence})
    return redirect(request, f"/projects/{access.project.id}/training/{run.number}")


def _chosen(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the one model that was chosen: what else was typed for a model counts for nothing."""
    begin = str(fields.get("model_kind", OTHER))
    rest = {name: value for name, value in fields.items() if name not in ("model", "base_run")}
    if begin == EARLIER:
        return {**rest, "base_run": fields.get("base_run", "")}
    return {**rest, "model": begin if begin in (MINILM, SCRATCH) else fields.get("model_name", "")}


def _typed(kind: Kind, fields: dict[str, Any]) -> dict[str, Any]:
    """The form's fields as the person left them."""
    names = ("dataset", "name", "model_kind", "model_name", *OPTIONS[kind.algorithm].model_fields)
    return {name: fields.get(name, "") for name in names}


@router.get("/projects/{project_id}/training/{number}")
def show_run(request: Request, session: DbSession, access: RunReader) -> Response:
    detail = service.show_run(session, access.run)
    kind = kinds()[access.run.algorithm]
    steps, held_out = service.drawn_curves(session, access.run)
    card = service.model_card(access.run) if detail.files else None
    context = {
        **_shown(access, detail),
        "nav": studio_nav(access.place, "training"),
        "project": access.project,
        "pictures": curves.pictures(kind, steps, held_out),
        "measurements": curves.columns(kind),
        "points": curves.rows(steps, held_out),
        "server": settings().public_url,
        "is_evaluation": False,
        "measured": results.measured(detail.result, detail.algorithm) if detail.result else None,
        "evaluations": [evaluations.shown(job) for job in evaluation_queries.evaluations(session, access.run)],
        "card_html": markdown.render(card, image_label=_("image")) if card else None,
        "option_labels": {"model": _("Model")} | {each.name: each.label for each in offered(OPTIONS[kind.algorithm])},
    }
    return render(request, "training/run.html", context)


def _shown(access: RunAccess, detail: RunDetail) -> dict[str, Any]:
    """What the card needs, which is rendered alone while the run goes on."""
    return {
        "project": access.project,
        "kind": kinds()[detail.algorithm],
        "run": detail,
        "is_active": detail.state in queue.ACTIVE,
        "is_stopping": results.is_stopping(detail),
        "phase": results.phase(detail),
        "seconds_left": results.seconds_left(detail),
        "held_out": results.held_out_so_far(detail),
        "may_change": access.place.may(Role.ADMIN),
        "base": f"/projects/{access.project.id}/training",
    }


@router.get("/projects/{project_id}/training/{number}/card")
def show_card(request: Request, session: DbSession, access: RunReader) -> Response:
    """The card alone. The end of the work leads htmx to the whole page, which then shows what came of it."""
    detail = service.show_run(session, access.run)
    if detail.state not in queue.ACTIVE and wants_partial(request):
        return redirect(request, f"/projects/{access.project.id}/training/{access.run.number}")
    return render(request, "training/_card.html", _shown(access, detail))


@router.get("/projects/{project_id}/training/{number}/metrics")
def read_curves(session: DbSession, access: RunReader, after: After = 0) -> Response:
    """What the page's curves ask for while the run goes on; the same as the API's."""
    found = service.curves(session, access.run, after=after)
    return JSONResponse(found.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@router.post("/projects/{project_id}/training/{number}/cancel")
def cancel_run(request: Request, session: DbSession, access: RunAdmin) -> Response:
    service.cancel_run(session, access.run, actor_id=access.viewer.id)
    return redirect(request, f"/projects/{access.project.id}/training/{access.run.number}")


@router.get("/projects/{project_id}/training/{number}/log")
def download_log(access: RunReader) -> Response:
    """Everything the run has said, as text."""
    return text_attachment(service.whole_log(access.run.job_id), f"run-{access.run.number}.log.txt")


@router.get("/projects/{project_id}/training/{number}/files/{name:path}")
def download_file(access: RunReader, name: str) -> Response:
    stream, size = service.open_file(access.run, name)
    return attachment(stream, size, name)
