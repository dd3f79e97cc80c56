"""A lease as its annotator may see it: for the page's template and for the JSON API. What is not here is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.annotation import answers, labels, queries
from app.annotation.handing_out import Nothing
from app.annotation.queries import Content
from app.annotation.schemas import (
    LETTERS,
    AnnotationOut,
    Document,
    HistoryEntry,
    Message,
    NextOut,
    ProgressOut,
    TaskOut,
)
from app.annotation.service import edit_deadline, first_key
from app.domain.preferences import shown_order
from app.models import Annotation, Assignment, Project, Standing
from app.projects.definitions import AnswerSchema, Comparison, Likert, Policy
from app.web import responses
from app.web.i18n import gettext as _
from app.web.i18n import ngettext
from app.web.markdown import render as render_markdown

LONGEST_WARNING = 300
SHORT_HISTORY = 3
"""Turns that a conversation may have before all but its last are folded."""


class Filled(dict[str, Any]):
    """Fields of a form by name; one that is not there is empty, so that templates may ask for any."""

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Serving:
    """An assignment with its texts in the order in which they are shown, the first one A."""

    assignment: Assignment
    project: Project
    content: Content
    schema: AnswerSchema
    texts: list[str]

    @property
    def progress(self) -> tuple[int, int]:
        return self.content.today, self.content.total

    @property
    def documents(self) -> list[Document]:
        return documents_of(self.content.documents)


def serving(session: Session, assignment: Assignment, project: Project, *, now: datetime) -> Serving:
    content = queries.content(session, assignment, day_start=day_start(project, now))
    order = shown_order(len(content.texts), is_swapped=assignment.is_swapped, serving=assignment.public_id.bytes)
    schema = AnswerSchema.model_validate(content.schema)
    return Serving(assignment, project, content, schema, [content.texts[position] for position in order])


def documents_of(value: Any) -> list[Document]:
    """The context documents of a task's metadata: texts, or objects of title and text. Anything else is left out."""
    found = []
    for each in value if isinstance(value, list) else []:
        if isinstance(each, str) and each.strip():
            found.append(Document(title="", text=each))
        elif isinstance(each, dict) and isinstance(each.get("text"), str) and each["text"].strip():
            found.append(Document(title=str(each.get("title") or ""), text=each["text"]))
    return found


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
        "skip_reasons": labels.skip_reasons(),
        "hidden": {
            "idempotency_key": first_key(shown.assignment),
            "guideline_number": shown.content.guideline_number or "",
        },
        "lease_until": shown.assignment.expires_at.isoformat(),
        "draft_key": str(shown.assignment.public_id),
        "filled": Filled(filled or {}),
        "is_late": shown.assignment.expires_at <= now or shown.assignment.closed_at is not None,
    }


def edit_context(
    shown: Serving,
    newest: Annotation,
    *,
    shown_ids: Sequence[int],
    key: str,
    filled: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The same block for changing a judgement: filled with the newest revision, or with a refused form's fields."""
    own = f"/projects/{shown.project.id}/judge/edit/{shown.assignment.public_id}"
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
        "filled": Filled(filled or to_fields(annotation_out(newest, shown.assignment, shown_ids), shown.schema)),
        "is_late": False,
    }


def _texts(shown: Serving) -> dict[str, Any]:
    """Prompt, responses and what may be answered. Nothing here may differ between gold and other tasks."""
    return {
        "content_warning": content_warning(shown),
        "question": shown.project.question,
        **shown_texts(
            shown.content.prompt,
            shown.texts,
            shown.documents,
            schema=shown.schema,
            lang=shown.content.language,
        ),
    }


def content_warning(shown: Serving) -> str | None:
    """What the task's own metadata warns of (`content_warning`: a text, or true), else what its project does."""
    own = (shown.content.warning or "").strip()
    if own in ("true", "1"):
        return shown.project.content_warning or _("This task may disturb you.")
    if own in ("", "false", "0"):
        return shown.project.content_warning or None
    return own[:LONGEST_WARNING]


def shown_texts(
    prompt: Mapping[str, Any],
    texts: Sequence[str],
    documents: Sequence[Document],
    *,
    schema: AnswerSchema,
    lang: str | None,
) -> dict[str, Any]:
    """The part of annotation/_task.html's variables that is the task itself."""
    image = _("image")
    messages = prompt.get("messages") or []
    turns = [(turn["role"], render_markdown(turn["content"], image_label=image)) for turn in messages]
    shown = responses.show(texts, lang=lang, image_label=image)
    # The last turn is what is answered; a long history before it is folded.
    is_long = len(turns) > SHORT_HISTORY
    return {
        "prompt": None if messages else render_markdown(prompt.get("text", ""), image_label=image),
        "history": turns[:-1] if is_long else [],
        "turns": turns[-1:] if is_long else turns,
        "prompt_lang": lang,
        "documents": [
            {"title": each.title, "html": render_markdown(each.text, image_label=image)} for each in documents
        ],
        "responses": [
            {"letter": letter, "number": number, "text": text}
            for number, (letter, text) in enumerate(zip(LETTERS, shown, strict=False), start=1)
        ],
        "texts": shown,
        "schema": schema,
        "pairwise": schema.pairwise if len(texts) == 2 else None,
        "ranking": schema.ranking if texts else None,
        "criteria": [criterion for criterion in schema.criteria if is_asked(criterion, len(texts))],
    }


def is_asked(criterion: Likert | Comparison, n_responses: int) -> bool:
    """One response alone can be rated, and compared with none."""
    return n_responses >= (1 if isinstance(criterion, Likert) else 2)


def to_fields(said: AnnotationOut, schema: AnswerSchema) -> dict[str, Any]:
    """A judgement as the desk's form sends it; app.annotation.schemas.from_fields is the way back."""
    fields: dict[str, Any] = {"rationale": said.rationale}
    if said.is_flagged:
        fields["is_flagged"] = "true"
    if said.answer is not None:
        fields["choice"] = scale_value(said.answer)
    for place, tied in enumerate(said.ranking or [], start=1):
        fields |= {f"rank.{letter}": str(place) for letter in tied}
    for key, points_of in said.ratings.items():
        fields |= {f"rating.{key}.{letter}": str(points) for letter, points in points_of.items()}
    fields |= {f"comparison.{key}": best for key, best in said.comparisons.items()}
    for subject, tags in {"task": said.tags, **said.response_tags}.items():
        fields |= {f"tag.{subject}.{schema.tags.names.index(tag)}": tag for tag in tags}
    if said.edit is not None:
        fields |= {"edit_source": said.edit.source, "edit_text": said.edit.text}
    if said.demonstration is not None:
        fields["demonstration"] = said.demonstration
    return fields


def scale_value(answer: int | str) -> str:
    """The value of the radio button that stands for an answer."""
    if isinstance(answer, str):
        return answer
    if answer == 0:
        return "tie"
    return f"{'a' if answer < 0 else 'b'}{abs(answer)}"


def task_out(shown: Serving) -> TaskOut:
    messages = shown.content.prompt.get("messages")
    return TaskOut(
        public_id=shown.assignment.public_id,
        prompt=None if messages else shown.content.prompt.get("text", ""),
        messages=[Message(role=turn["role"], content=turn["content"]) for turn in messages or []],
        documents=shown.documents,
        responses=shown.texts,
        question=shown.project.question,
        content_warning=content_warning(shown),
        schema_number=shown.content.schema_number,
        answer_schema=shown.schema,
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


def annotation_out(annotation: Annotation, assignment: Assignment, shown_ids: Sequence[int]) -> AnnotationOut:
    """`shown_ids` are the response ids as they stood on the screen."""
    return AnnotationOut(
        **answers.said(
            annotation.answer,
            choice=annotation.choice,
            strength=annotation.strength,
            shown=shown_ids,
            is_swapped=assignment.is_swapped,
        ),
        id=annotation.id,
        public_id=assignment.public_id,
        revision=annotation.revision,
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
            **annotation_out(newest, assignment, _shown_ids(assignment, response_ids)).model_dump(),
            prompt_excerpt=excerpt(prompt),
            can_edit=now <= edit_deadline(first, Policy.model_validate(policy)),
        )
        for newest, first, assignment, prompt, policy, response_ids in rows[:limit]
    ]
    return entries, rows[limit - 1][1].id if len(rows) > limit else None


def _shown_ids(assignment: Assignment, response_ids: Sequence[int]) -> list[int]:
    order = shown_order(len(response_ids), is_swapped=assignment.is_swapped, serving=assignment.public_id.bytes)
    return [response_ids[position] for position in order]


def excerpt(prompt: Mapping[str, Any]) -> str:
    """The beginning of a prompt, or of the last turn of a conversation, on one line."""
    messages = prompt.get("messages") or []
    return labels.cut(str(messages[-1]["content"] if messages else prompt.get("text", "")))
