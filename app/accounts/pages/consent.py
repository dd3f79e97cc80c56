"""The consent text that a person has to accept before anything else, and where admins publish a new one."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts import queries
from app.accounts.access import InstanceAdmin, SignedInViewer, Viewer, require_signed_in
from app.accounts.addresses import local_path
from app.accounts.doors import KeptFields
from app.accounts.navigation import home_nav
from app.accounts.schemas import GiveConsent, PublishConsent
from app.accounts.service import consent
from app.errors import AppError
from app.web import markdown
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/consent", dependencies=[Depends(require_signed_in)])
def show_consent(request: Request, session: DbSession, next: str = "/") -> Response:  # noqa: A002 - as in the address
    return _consent_page(request, session, local_path(next), [], None)


@router.post("/consent")
def give_consent(
    request: Request, session: DbSession, viewer: SignedInViewer, fields: FormFields, kept: KeptFields
) -> Response:
    address = local_path(fields.get("next"))
    given, errors = parse_form(GiveConsent, fields)
    if given is None:
        # A form that was kept comes here without having shown the text: it is shown now.
        return _consent_page(request, session, address, kept, errors.get("has_consented"))
    try:
        consent.accept_newest(session, user_id=viewer.id, number=given.version, has_consented=given.has_consented)
    except AppError as error:
        return _consent_page(request, session, address, kept, _(error.message))
    if kept:
        return render(request, "accounts/resend.html", {"action": address, "kept": kept})
    return redirect(request, address)


def _consent_page(
    request: Request, session: Session, address: str, kept: list[tuple[str, str]], error: str | None
) -> Response:
    number, body = consent.newest_text(session)
    context = {
        "next": address,
        "kept": kept,
        "error": error,
        "version": number,
        "consent_text": markdown.render(body),
    }
    return render(request, "accounts/consent.html", context, status=422 if error else 200)


@router.get("/people/consent")
def show_consent_versions(request: Request, session: DbSession, viewer: InstanceAdmin) -> Response:
    return _versions_page(request, session, viewer, consent.newest_text(session)[1], None)


@router.post("/people/consent")
def publish_consent(request: Request, session: DbSession, viewer: InstanceAdmin, fields: FormFields) -> Response:
    """Publish, or with the button `preview` only show what would be published."""
    body = str(fields.get("body", ""))
    wanted, errors = parse_form(PublishConsent, fields)
    if wanted is None:
        sentence = _("Please write at least %(count)s characters and at most %(most)s.") % {
            "count": 100,
            "most": 20_000,
        }
        return _versions_page(request, session, viewer, body, sentence if "body" in errors else None)
    if "preview" in fields:
        return _versions_page(request, session, viewer, wanted.body, None, preview=wanted.body)
    try:
        consent.publish(session, body=wanted.body, actor_id=viewer.id)
    except AppError as error:
        return _versions_page(request, session, viewer, wanted.body, _(error.message))
    return redirect(request, "/people/consent")


def _versions_page(
    request: Request, session: Session, viewer: Viewer, body: str, error: str | None, *, preview: str | None = None
) -> Response:
    context = {
        "nav": home_nav(viewer, "people"),
        "body": body,
        "error": error,
        "preview": markdown.render(preview) if preview is not None else None,
        "versions": queries.consent_versions(session),
    }
    return render(request, "accounts/consent_versions.html", context, status=422 if error else 200)
