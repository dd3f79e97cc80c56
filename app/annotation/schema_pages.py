"""The page of a project's schema: what annotators are asked, with a preview, and its versions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.annotation import labels, views
from app.annotation.schemas import Document
from app.projects import queries, service
from app.projects.access import ProjectAccess, ProjectAdmin, require_writable
from app.projects.definitions import AnswerSchema
from app.projects.navigation import studio_nav
from app.projects.schema_form import ROWS, SchemaForm, collect
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter(prefix="/projects/{project_id}/schema")

SPARE_ROWS = 2
SHOWN_RANKED = 4


@router.get("")
def show_schema(request: Request, session: DbSession, access: ProjectAdmin, saved: str = "") -> Response:
    """The newest version as a form, with the desk as it looks by it."""
    return _page(request, session, access, is_saved=bool(saved))


@router.post("")
def change_schema(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    """Append a version where this says anything new."""
    require_writable(access)
    wanted, errors = parse_form(SchemaForm, collect(fields))
    if wanted is None:
        return _page(request, session, access, typed=collect(fields), errors=errors)
    service.change_schema(
        session, viewer_id=access.viewer.id, project_id=access.project.id, schema=wanted.answer_schema()
    )
    return redirect(request, f"/projects/{access.project.id}/schema?saved=1")


@router.post("/preview")
def preview_schema(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    """The desk as it would look; nothing is saved."""
    typed = collect(fields)
    wanted, errors = parse_form(SchemaForm, typed)
    shown = wanted.answer_schema() if wanted is not None else None
    return _page(request, session, access, typed=typed, errors=errors, previewed=shown)


def _page(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    previewed: AnswerSchema | None = None,
    is_saved: bool = False,
) -> Response:
    """`typed` are the fields as the person left them: an absent box is not ticked."""
    versions = queries.schema_versions(session, access.project.id)
    newest = AnswerSchema.model_validate(versions[0].definition)
    values = SchemaForm.values_of(newest)
    if typed is not None:
        values = {name: typed.get(name, "") for name in values}
    rows = list(values["criteria"])
    blank = {"name": "", "key": "", "kind": "likert", "points": 5, "low": "", "high": "", "is_required": True}
    rows = [{**dict.fromkeys(blank, ""), **row} for row in rows]
    rows += [blank for _n in range(min(SPARE_ROWS, ROWS - len(rows)))]
    context = {
        "nav": studio_nav(access, "settings"),
        "project": access.project,
        "is_writable": access.project.archived_at is None,
        "values": values,
        "rows": rows,
        "errors": Errors(errors or {}),
        "versions": [(each, labels.asked_for(AnswerSchema.model_validate(each.definition))) for each in versions],
        "is_saved": is_saved,
        "is_preview": previewed is not None,
        "previews": [] if errors else _previews(access, previewed or newest),
    }
    return render(request, "annotation/schema.html", context, status=422 if errors else 200)


def _previews(access: ProjectAccess, schema: AnswerSchema) -> list[tuple[str, dict[str, Any]]]:
    """(title, the desk's variables) of each kind of task that the schema asks about."""
    found = []
    texts = [
        _("It scatters sunlight, and blue light the most."),
        _("Because the sea is blue, and the sky mirrors it."),
        _("Air scatters short waves more than long ones; of those that we see well, blue are the shortest."),
        _("The sky has no colour."),
    ]
    if schema.compares:
        n_shown = 2 if schema.pairwise else SHOWN_RANKED if schema.ranking else max(schema.fewest_responses, 2)
        found.append((_("A task with responses"), _preview(access, schema, texts[:n_shown])))
    if schema.demonstration:
        found.append((_("A bare prompt"), _preview(access, schema, [])))
    return found


def _preview(access: ProjectAccess, schema: AnswerSchema, texts: list[str]) -> dict[str, Any]:
    no_documents: list[Document] = []
    shown = views.shown_texts(
        {"text": _("Why is the sky blue?")}, texts, no_documents, schema=schema, lang=access.project.language
    )
    return {
        **shown,
        "question": access.project.question,
        "action": "",
        "skip_action": None,
        "return_action": None,
        "undo_url": None,
        "heartbeat_url": "",
        "post_target": None,
        "skip_reasons": [],
        "hidden": {},
        "draft_key": "preview",
        "filled": views.Filled(),
        "is_late": False,
    }
