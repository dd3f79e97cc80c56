"""Pages of a project's making and settings: new, details, work, pause and archive. Its schema has its own page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.access import InstanceAdmin, Viewer
from app.accounts.navigation import home_nav
from app.projects import queries, service
from app.projects.access import ProjectAccess, ProjectAdmin, require_writable
from app.projects.definitions import AnswerSchema, Policy, ProjectKind
from app.projects.languages import language_choices
from app.projects.navigation import studio_nav
from app.projects.schema_form import OverallForm
from app.projects.schemas import NewProjectForm, ProjectDetails, WorkForm, timezones
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
OVERLAP = {"kind": ProjectKind.MIXED.value, "overlap": "", "max_overlap": ""}


@router.get("/projects/new")
def new_project(request: Request, viewer: InstanceAdmin) -> Response:
    defaults = {name: field.default for name, field in ProjectDetails.model_fields.items()}
    choices = OverallForm.values_of(AnswerSchema())
    return _new_project(request, viewer, defaults | choices | {"name": "", **OVERLAP}, {})


def _new_project(request: Request, viewer: Viewer, values: dict[str, Any], errors: dict[str, str]) -> Response:
    context = {
        "nav": home_nav(viewer, "projects"),
        "values": values,
        "errors": Errors(errors),
        "timezones": [(name, name) for name in timezones()],
        "languages": language_choices(),
    }
    return render(request, "projects/new.html", context, status=422 if errors else 200)


@router.post("/projects")
def create_project(request: Request, session: DbSession, viewer: InstanceAdmin, fields: FormFields) -> Response:
    wanted, errors = parse_form(NewProjectForm, fields)
    if wanted is None:
        return _new_project(request, viewer, _typed(NewProjectForm, fields), errors)
    project = service.create_project(
        session,
        viewer_id=viewer.id,
        **wanted.model_dump(include=set(ProjectDetails.model_fields)),
        policy=Policy.model_validate(wanted.overlaps()),
        schema=wanted.answer_schema(),
    )
    return redirect(request, f"/projects/{project.id}")


@router.get("/projects/{project_id}/settings")
def show_settings(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    return _settings(request, session, access)


def _settings(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    """The whole page; `values` and `errors` are those of the one form that was refused."""
    project_id = access.project.id
    policy = queries.newest_policy(session, project_id)
    schema = queries.newest_schema(session, project_id)
    stored = {name: getattr(access.project, name) for name in ProjectDetails.model_fields} | WorkForm.values_of(
        Policy.model_validate(policy.definition)
    )
    context = {
        "nav": studio_nav(access, "settings"),
        "project": access.project,
        "values": stored | (values or {}),
        "errors": Errors(errors or {}),
        "policy_version": policy,
        "schema_version": schema,
        "timezones": _choices([(name, name) for name in timezones()], access.project.timezone),
        "languages": _choices(language_choices(), access.project.language),
        "saved": request.query_params.get("saved", ""),
    }
    return render(request, "projects/settings.html", context, status=422 if errors else 200)


@router.post("/projects/{project_id}/settings/details")
def change_details(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    require_writable(access)
    wanted, errors = parse_form(ProjectDetails, fields)
    if wanted is None:
        return _settings(request, session, access, values=_typed(ProjectDetails, fields), errors=errors)
    service.update_details(session, viewer_id=access.viewer.id, project_id=access.project.id, **wanted.model_dump())
    return redirect(request, f"/projects/{access.project.id}/settings?saved=details#details")


@router.post("/projects/{project_id}/settings/work")
def change_work(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    require_writable(access)
    wanted, errors = parse_form(WorkForm, fields)
    if wanted is None:
        return _settings(request, session, access, values=_typed(WorkForm, fields), errors=errors)
    service.change_policy(session, viewer_id=access.viewer.id, project_id=access.project.id, policy=wanted.policy())
    return redirect(request, f"/projects/{access.project.id}/settings?saved=work#work")


def _choices(known: list[tuple[str, str]], value: str) -> list[tuple[str, str]]:
    """The list with the stored value in it, which may have come through the API."""
    return known if any(value == code for code, _label in known) else [(value, value), *known]


def _typed(form: type[Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The form's fields as the person left them: an absent box is not ticked, an absent text is empty."""
    return {name: fields.get(name, "") for name in form.model_fields}


@router.post("/projects/{project_id}/pause")
def pause(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    service.pause(session, viewer_id=access.viewer.id, project_id=access.project.id)
    return redirect(request, f"/projects/{access.project.id}/settings?saved=paused#state")


@router.post("/projects/{project_id}/resume")
def resume(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    service.resume(session, viewer_id=access.viewer.id, project_id=access.project.id)
    return redirect(request, f"/projects/{access.project.id}/settings?saved=resumed#state")


@router.post("/projects/{project_id}/archive")
def archive(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    if not fields.get("confirm"):
        return _settings(
            request,
            session,
            access,
            errors={"confirm": _("Tick the box to say that you mean it; nothing was changed.")},
        )
    service.archive(session, viewer_id=access.viewer.id, project_id=access.project.id)
    return redirect(request, f"/projects/{access.project.id}/settings?saved=archived#state")


@router.post("/projects/{project_id}/restore")
def restore(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    service.restore(session, viewer_id=access.viewer.id, project_id=access.project.id)
    return redirect(request, f"/projects/{access.project.id}/settings?saved=restored#state")
