"""A lease as its annotator may see it: for the page's template and for the JSON API. What is not here is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.annotation import queries
from app.annotation.handing_out import Nothing
from app.annotation.queries import Content
from app.annotation.schemas import AnnotationOut, HistoryEntry, Message, NextOut, ProgressOut, TaskOut
from app.annotation.service import edit_deadline, first_key
from app.domain.assignment import as_shown
from app.models import Annotation, Assignment, Project, Standing
from app.projects.definitions import AnswerSchema, Policy
from app.web import responses
from app.web.i18n import gettext as _
from app.web.i18n import ngettext
from app.web.markdown import render as render_markdown

EXCERPT = 160
LONGEST_WARNING = 300


@dataclass(frozen=True, slots=True)
class Serving:
    """An assignment with its texts in the order in which they are shown."""

    assignment: Assignment
    project: Project
    content: Content
    schema: AnswerSchema
    left: str
    right: str

    @property
    def progress(self) -> tuple[int, int]:
        return self.content.today, self.content.total


def serving(session: Session, assignment: Assignment, project: Project, *, now: datetime) -> Serving:
    content = queries.content(session, assignment, day_start=day_start(project, now))
    left, right = content.first, content.second
    if assignment.is_swapped:
        left, right = right, left
    return Serving(assignment, project, content, AnswerSchema.model_validate(content.schema), left, right)


def day_start(project: Project, now: datetime) -> datetime:
    """Midnight in the project's timezone."""
    local = now.astimezone(ZoneInfo(project.timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def progress_context(today: int, total: int) -> dict[str, Any]:
    """For annotation/_progress.html: an open-ended count."""
    label = ngettext("judgement today, %(total)s in all", "judgements today, %(total)s in all", today) % {
        "total": total
    }
    return {"done": today, "total": None, "label": label}


def task_context(shown: Serving, *, now: datetime, filled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """For annotation/_task.html. `filled` are a refused form's fields, shown again as they were sent."""
    filled = filled or {}
    base = f"/projects/{shown.project.id}/judge"
    own = f"{base}/{shown.assignment.public_id}"
    return {
        "action": own,
        "skip_action": f"{own}/skip",
        "return_action": f"{own}/return",
        "heartbeat_url": f"{own}/heartbeat",
        "undo_url": f"{base}/last" if shown.content.total else None,
        "post_target": "#task",
        **_texts(shown),
        "skip_reasons": skip_reasons(),
        "hidden": {
            "idempotency_key": first_key(shown.assignment),
            "guideline_number": shown.content.guideline_number or "",
        },
        "lease_until": shown.assignment.expires_at.isoformat(),
        "draft_key": str(shown.assignment.public_id),
        "choice": filled.get("choice"),
        "rationale": filled.get("rationale"),
        "is_flagged": bool(filled.get("is_flagged")),
        "error": filled.get("error"),
        "is_late": shown.assignment.expires_at <= now or shown.assignment.closed_at is not None,
    }


def edit_context(
    shown: Serving, newest: Annotation, *, key: str, filled: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The same block for changing a judgement: filled with the newest revision, or with a refused form's fields."""
    own = f"/projects/{shown.project.id}/judge/edit/{shown.assignment.public_id}"
    answer = as_shown(newest.choice, newest.strength, is_swapped=shown.assignment.is_swapped)
    filled = filled or {
        "choice": scale_value(answer),
        "rationale": newest.rationale,
        "is_flagged": newest.is_flagged,
    }
    return {
        "action": own,
        "skip_action": None,
        "return_action": None,
        "heartbeat_url": "",
        "undo_url": None,
        "post_target": None,
        **_texts(shown),
        "skip_reasons": [],
        "hidden": {"idempotency_key": key, "revision": newest.revision},
        "draft_key": f"{shown.assignment.public_id}-{newest.revision}",
        "choice": filled.get("choice"),
        "rationale": filled.get("rationale"),
        "is_flagged": bool(filled.get("is_flagged")),
        "error": filled.get("error"),
        "is_late": False,
    }


def _texts(shown: Serving) -> dict[str, Any]:
    """Prompt, responses and what may be answered. Nothing here may differ between gold and other tasks."""
    image = _("image")
    lang = shown.content.language
    messages = shown.content.prompt.get("messages")
    return {
        "prompt": None if messages else render_markdown(shown.content.prompt.get("text", ""), image_label=image),
        "turns": [(turn["role"], render_markdown(turn["content"], image_label=image)) for turn in messages]
        if messages
        else None,
        "prompt_lang": lang,
        "responses": responses.show((shown.left, shown.right), lang=lang, image_label=image),
        "content_warning": content_warning(shown),
        "question": shown.project.question,
        "steps": shown.schema.strength_steps,
        "allow_tie": shown.schema.allows_tie,
        "allow_both_bad": shown.schema.allows_both_bad,
        "asks_rationale": shown.schema.asks_rationale or shown.schema.requires_rationale,
        "requires_rationale": shown.schema.requires_rationale,
    }


def content_warning(shown: Serving) -> str | None:
    """What the task's own metadata warns of (`content_warning`: a text, or true), else what its project does."""
    own = (shown.content.warning or "").strip()
    if own in ("true", "1"):
        return shown.project.content_warning or _("This task may disturb you.")
    if own in ("", "false", "0"):
        return shown.project.content_warning or None
    return own[:LONGEST_WARNING]


def scale_value(answer: int | str) -> str:
    """The value of the radio button that stands for an answer."""
    if isinstance(answer, str):
        return answer
    if answer == 0:
        return "tie"
    return f"{'a' if answer < 0 else 'b'}{abs(answer)}"


def answer_label(answer: int | str) -> str:
    """An answer in words, by the sides as they were shown."""
    if answer == "both_bad":
        return _("Both bad")
    if answer == 0:
        return _("Tie")
    side = "A" if int(answer) < 0 else "B"
    return _("%(side)s better (%(strength)s)") % {"side": side, "strength": abs(int(answer))}


def skip_reasons() -> list[tuple[str, str]]:
    return [
        ("unclear", _("The task is unclear")),
        ("not_my_field", _("I do not know enough about it")),
        ("harmful", _("It is harmful or disturbing")),
        ("broken", _("Something is broken or missing")),
        ("other", _("Another reason")),
    ]


def nothing_context(reason: Nothing) -> dict[str, str]:
    """Title and sentence of the desk that has nothing on it."""
    texts = {
        Nothing.PAUSED: (
            _("This project is paused"),
            _("Its admins have stopped handing out tasks for now. What you have judged is safe."),
        ),
        Nothing.ARCHIVED: (_("This project is closed"), _("It takes no more judgements. Thank you for your work.")),
        Nothing.ENOUGH_TODAY: (
            _("Enough for today"),
            _("You have given as many judgements as this project asks of you in a day. Thank you; more tomorrow."),
        ),
        Nothing.ENOUGH: (
            _("You have given your share"),
            _("This project asks no more judgements of you than you have given. Thank you for your work!"),
        ),
        Nothing.NO_TASKS: (
            _("There are no tasks yet"),
            _("Nothing has been imported into this project so far. Come back later."),
        ),
        Nothing.ALL_DONE: (
            _("All done"),
            _("Every task of this project has all the judgements it needs. Thank you!"),
        ),
        Nothing.OTHERS_AT_WORK: (
            _("Others are working on the last ones"),
            _("Each task that is left lies on somebody's desk. One may come back; look again in a while."),
        ),
        Nothing.NOTHING_FOR_YOU: (
            _("You have judged everything you can"),
            _("The tasks that are left need the judgement of other people. Thank you!"),
        ),
        Nothing.BUSY: (_("One moment"), _("The next task is just being put back. It will be here at once.")),
    }
    title, text = texts[reason]
    return {"reason": reason.value, "title": title, "text": text}


def task_out(shown: Serving) -> TaskOut:
    messages = shown.content.prompt.get("messages")
    return TaskOut(
        public_id=shown.assignment.public_id,
        prompt=None if messages else shown.content.prompt.get("text", ""),
        messages=[Message(role=turn["role"], content=turn["content"]) for turn in messages or []],
        left=shown.left,
        right=shown.right,
        question=shown.project.question,
        strength_steps=shown.schema.strength_steps,
        allows_tie=shown.schema.allows_tie,
        allows_both_bad=shown.schema.allows_both_bad,
        asks_rationale=shown.schema.asks_rationale,
        requires_rationale=shown.schema.requires_rationale,
        content_warning=content_warning(shown),
        guideline_number=shown.content.guideline_number,
        expires_at=shown.assignment.expires_at,
    )


def next_out(found: Serving | Nothing, progress: tuple[int, int]) -> NextOut:
    today, total = progress
    return NextOut(
        assignment=None if isinstance(found, Nothing) else task_out(found),
        reason=found.value if isinstance(found, Nothing) else None,
        progress=ProgressOut(today=today, total=total),
    )


def annotation_out(annotation: Annotation, assignment: Assignment) -> AnnotationOut:
    return AnnotationOut(
        id=annotation.id,
        public_id=assignment.public_id,
        revision=annotation.revision,
        answer=as_shown(annotation.choice, annotation.strength, is_swapped=assignment.is_swapped),
        rationale=annotation.rationale,
        is_flagged=annotation.is_flagged,
        is_late=annotation.standing == Standing.LATE,
        submitted_at=annotation.submitted_at,
    )


def history_entries(
    session: Session, *, project_id: int, annotator_id: int, before_id: int | None, limit: int, now: datetime
) -> tuple[list[HistoryEntry], int | None]:
    """Own judgements, newest first, and the cursor of the page after them (None at the end)."""
    rows = queries.history(
        session, project_id=project_id, annotator_id=annotator_id, before_id=before_id, limit=limit + 1
    )
    entries = [
        HistoryEntry(
            **annotation_out(newest, assignment).model_dump(),
            prompt_excerpt=excerpt(prompt),
            can_edit=now <= edit_deadline(first, Policy.model_validate(policy)),
        )
        for newest, first, assignment, prompt, policy in rows[:limit]
    ]
    return entries, rows[limit - 1][1].id if len(rows) > limit else None


def excerpt(prompt: Mapping[str, Any]) -> str:
    """The beginning of a prompt, or of the last turn of a conversation, on one line."""
    messages = prompt.get("messages") or []
    text = " ".join(str(messages[-1]["content"] if messages else prompt.get("text", "")).split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"
