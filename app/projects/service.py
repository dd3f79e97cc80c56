"""The verbs of projects: create, change, pause, archive; and their guidelines: draft, publish."""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.errors import Conflict, Invalid, NotFound
from app.models import GuidelineVersion, Membership, PolicyVersion, Project, ProjectStatus, Role, SchemaVersion
from app.projects import queries, question_queries
from app.projects.definitions import MAX_RANKED, AnswerSchema, Policy, content_hash


class DraftConflict(Conflict):
    """The draft is no longer as the writer saw it. `theirs` is the draft now, None when it is gone (published)."""

    code = "draft_conflict"

    def __init__(self, message: str, theirs: GuidelineVersion | None) -> None:
        super().__init__(message)
        self.theirs = theirs


def create_project(
    session: Session,
    *,
    viewer_id: int | None,
    name: str,
    question: str,
    language: str,
    timezone: str,
    policy: Policy,
    schema: AnswerSchema,
    guidelines: str = "",
    content_warning: str = "",
    is_sample: bool = False,
) -> Project:
    """A new project with version 1 of policy and answer schema, and of the guidelines where some are given.

    The creator becomes its admin; `viewer_id` None is the command line, and leaves it to the instance admins.
    """
    project = Project(
        name=name,
        question=question,
        language=language,
        timezone=timezone,
        content_warning=content_warning,
        is_sample=is_sample,
        created_by_id=viewer_id,
    )
    session.add(project)
    session.flush()
    for version, definition in ((PolicyVersion, policy), (SchemaVersion, schema)):
        body = definition.model_dump(mode="json")
        session.add(
            version(
                project_id=project.id,
                number=1,
                definition=body,
                content_hash=content_hash(body),
                created_by_id=viewer_id,
            )
        )
    if viewer_id is not None:
        session.add(Membership(project_id=project.id, user_id=viewer_id, role=Role.ADMIN))
    audit.record(
        session, "project.create", actor_id=viewer_id, project_id=project.id, target=project, is_sample=is_sample
    )
    if guidelines.strip():
        written = save_draft(session, viewer_id=viewer_id, project_id=project.id, body=guidelines, seen_at=None)
        publish_guideline(session, viewer_id=viewer_id, project_id=project.id, seen_at=written.updated_at)
    session.flush()
    return project


def update_details(
    session: Session,
    *,
    viewer_id: int,
    project_id: int,
    name: str,
    question: str,
    language: str,
    timezone: str,
    content_warning: str = "",
) -> Project:
    project = _writable(session, project_id)
    wanted = {
        "name": name,
        "question": question,
        "language": language,
        "timezone": timezone,
        "content_warning": content_warning,
    }
    changed = {field: value for field, value in wanted.items() if getattr(project, field) != value}
    if changed:
        before = {field: getattr(project, field) for field in changed}
        for field, value in changed.items():
            setattr(project, field, value)
        audit.record(
            session,
            "project.change",
            actor_id=viewer_id,
            project_id=project_id,
            target=project,
            before=before,
            after=changed,
        )
    session.flush()
    return project


def change_policy(session: Session, *, viewer_id: int, project_id: int, policy: Policy) -> tuple[int, Policy]:
    """Append a version if the policy says anything new, and give the open work its overlap; returns what holds now."""
    _writable(session, project_id)
    newest = queries.newest_policy(session, project_id)
    body = policy.model_dump(mode="json")
    if newest.content_hash == content_hash(body):
        return newest.id, policy
    version = PolicyVersion(
        project_id=project_id,
        number=newest.number + 1,
        definition=body,
        content_hash=content_hash(body),
        created_by_id=viewer_id,
    )
    session.add(version)
    session.flush()
    detail: dict[str, object] = {"number": version.number, **_differences(newest.definition, body)}
    before = Policy.model_validate(newest.definition)
    if before.overlap != policy.overlap:
        detail["tasks_changed"] = queries.apply_overlap(
            session, project_id, before=before.overlap, after=policy.overlap
        )
    audit.record(session, "policy.change", actor_id=viewer_id, project_id=project_id, target=version, **detail)
    return version.id, policy


def change_schema(
    session: Session, *, viewer_id: int, project_id: int, schema: AnswerSchema
) -> tuple[int, AnswerSchema]:
    """Append a version if the schema says anything new; a form on a desk is judged by the version it carries.

    Raises Conflict where tasks are there that the new schema has no question for.
    """
    _writable(session, project_id)
    newest = queries.newest_schema(session, project_id)
    body = schema.model_dump(mode="json")
    if newest.content_hash == content_hash(body):
        return newest.id, schema
    _refuse_unfit(session, project_id, schema)
    version = SchemaVersion(
        project_id=project_id,
        number=newest.number + 1,
        definition=body,
        content_hash=content_hash(body),
        created_by_id=viewer_id,
    )
    session.add(version)
    session.flush()
    audit.record(
        session,
        "schema.change",
        actor_id=viewer_id,
        project_id=project_id,
        target=version,
        number=version.number,
        **_differences(newest.definition, body),
    )
    return version.id, schema


def _refuse_unfit(session: Session, project_id: int, schema: AnswerSchema) -> None:
    asked = [n for n in range(MAX_RANKED + 1) if not schema.fits(n)]
    unfit = queries.unfit_responses(session, project_id, asked)
    if unfit:
        raise Conflict(
            "This project has tasks with %(found)s responses, which this schema cannot ask about. Archive those tasks "
            "first, or make a new project. Nothing was changed.",
            found=", ".join(map(str, unfit)),
            code="schema_unfit",
        )


def _differences(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    changed = [name for name in after if before.get(name) != after[name]]
    return {"before": {name: before.get(name) for name in changed}, "after": {name: after[name] for name in changed}}


def pause(session: Session, *, viewer_id: int, project_id: int) -> Project:
    """No new work is handed out; what is on desks may be finished. Pausing twice is the same as once."""
    project = _writable(session, project_id)
    return _enter(session, project, ProjectStatus.PAUSED, "project.pause", viewer_id)


def resume(session: Session, *, viewer_id: int, project_id: int) -> Project:
    project = _writable(session, project_id)
    return _enter(session, project, ProjectStatus.ACTIVE, "project.resume", viewer_id)


def archive(session: Session, *, viewer_id: int, project_id: int) -> Project:
    """The project becomes read-only and leaves the lists; nothing is deleted."""
    project = _locked(session, project_id)
    return _enter(session, project, ProjectStatus.ARCHIVED, "project.archive", viewer_id)


def restore(session: Session, *, viewer_id: int, project_id: int) -> Project:
    """An archived project comes back paused: handing out work again is a decision of its own."""
    project = _locked(session, project_id)
    if project.status != ProjectStatus.ARCHIVED:
        raise Conflict("This project is not archived; there is nothing to restore.", code="not_archived")
    return _enter(session, project, ProjectStatus.PAUSED, "project.restore", viewer_id)


def _enter(session: Session, project: Project, status: ProjectStatus, action: str, viewer_id: int) -> Project:
    if project.status != status:
        project.status = status
        project.archived_at = session.scalar(sa.select(sa.func.now())) if status == ProjectStatus.ARCHIVED else None
        audit.record(session, action, actor_id=viewer_id, project_id=project.id, target=project)
        session.flush()
    return project


def _locked(session: Session, project_id: int) -> Project:
    project = queries.lock_project(session, project_id)
    if project is None:
        raise NotFound
    return project


def _writable(session: Session, project_id: int) -> Project:
    project = _locked(session, project_id)
    if project.status == ProjectStatus.ARCHIVED:
        raise Conflict("This project is archived. Restore it before changing anything.", code="project_archived")
    return project


def save_draft(
    session: Session, *, viewer_id: int | None, project_id: int, body: str, seen_at: datetime | None
) -> GuidelineVersion:
    """Write the draft if it still is as the writer saw it at `seen_at` (None: there was none).

    Raises DraftConflict otherwise, with the other text on it; nothing is written then. Only the start of a draft is
    put on the audit trail: it is saved every few seconds of typing, and publishing is the deed.
    """
    _writable(session, project_id)
    digest = hashlib.sha256(body.encode()).hexdigest()
    found = queries.lock_draft(session, project_id)
    if found is None:
        if seen_at is not None:
            raise DraftConflict(
                "The draft you were editing was published or thrown away meanwhile. Your text is kept here; "
                "saving it starts a new draft.",
                None,
            )
        queries.start_draft(session, project_id, body=body, content_hash=digest)
        made = _existing_draft(session, project_id)
        audit.record(session, "guideline.start_draft", actor_id=viewer_id, project_id=project_id, target=made)
        return made
    if found.body == body:
        return found
    if seen_at != found.updated_at:
        raise DraftConflict(
            "Somebody else changed this draft meanwhile. Nothing of yours is lost: both texts are kept here. "
            "Choose which one stays.",
            found,
        )
    queries.write_draft(session, found.id, body=body, content_hash=digest)
    return _existing_draft(session, project_id)


def _existing_draft(session: Session, project_id: int) -> GuidelineVersion:
    found = queries.lock_draft(session, project_id)
    if found is None:
        raise NotFound
    return found


def discard_draft(session: Session, *, viewer_id: int, project_id: int) -> None:
    """Throw the draft away; published versions stay."""
    _writable(session, project_id)
    found = queries.lock_draft(session, project_id)
    if found is None:
        return
    audit.record(session, "guideline.discard_draft", actor_id=viewer_id, project_id=project_id, target=found)
    session.delete(found)
    session.flush()


def publish_guideline(
    session: Session,
    *,
    viewer_id: int | None,
    project_id: int,
    seen_at: datetime | None,
    change_note: str = "",
    is_major: bool = False,
) -> GuidelineVersion:
    """Make the draft the next version; from then on the database refuses any change to it.

    `is_major` asks those who judged before to confirm that they have read what changed; the publisher has.

    Raises Conflict when the draft is not as it was at `seen_at`, Invalid when there is nothing new to publish.
    """
    _writable(session, project_id)
    found = queries.lock_draft(session, project_id)
    if found is None:
        raise DraftConflict("There is no draft to publish; it may have been published a moment ago.", None)
    if found.updated_at != seen_at:
        raise DraftConflict(
            "Somebody else changed this draft meanwhile, so it was not published. Both texts are kept here.", found
        )
    if not found.body.strip():
        raise Invalid("Guidelines cannot be empty. Write something first; the draft is kept.", field="body")
    published = queries.current_guideline(session, project_id)
    if published is not None and published.content_hash == found.content_hash:
        raise Invalid(
            "The draft says the same as version %(number)d. Nothing was published.",
            number=published.number,
            field="body",
        )
    now = session.scalar(sa.select(sa.func.now()))
    found.number = 1 if published is None else (published.number or 0) + 1
    found.change_note = change_note
    found.is_major = is_major
    found.published_at = now
    found.published_by_id = viewer_id
    session.flush()
    audit.record(
        session,
        "guideline.publish",
        actor_id=viewer_id,
        project_id=project_id,
        target=found,
        number=found.number,
        change_note=change_note,
        is_major=is_major,
    )
    if viewer_id is not None:
        question_queries.insert_reading(session, user_id=viewer_id, guideline_version_id=found.id)
    return found
