"""The guidelines as their readers see them: clauses with contents, the examples at each, and what a search left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy.orm import Session

from app.models import GuidelineQuestion, GuidelineVersion
from app.projects import question_queries
from app.web import markdown
from app.web.i18n import gettext as _
from app.web.outline import Clause, clauses, search


@dataclass(frozen=True, slots=True)
class Example:
    """A question that was answered for everybody."""

    question: str
    answer: Markup


@dataclass(frozen=True, slots=True)
class Guide:
    """`parts` are the clauses that the search left, each with its examples; `contents` are all that have a title.

    `elsewhere` are examples of clauses that this version has no more.
    """

    number: int
    query: str
    contents: tuple[Clause, ...]
    parts: list[tuple[Clause, list[Example]]]
    elsewhere: list[Example]

    @property
    def choices(self) -> list[tuple[str, str]]:
        """(anchor, title) of each clause that one may ask about."""
        return [(clause.anchor, clause.title) for clause in self.contents]


def guide(session: Session, version: GuidelineVersion, query: str = "") -> Guide:
    """One statement, for the examples; the text itself is rendered once and kept."""
    found = outline(version)
    answered = question_queries.examples(session, version.project_id)
    said = {clause.anchor: [one for one in answered if one.anchor == clause.anchor] for clause in found}
    words = {anchor: "\n".join(f"{one.text}\n{one.answer}" for one in ones) for anchor, ones in said.items()}
    left = search(found, query, words)
    return Guide(
        number=version.number or 0,
        query=query,
        contents=tuple(clause for clause in found if clause.title),
        parts=[(clause, _examples(said[clause.anchor])) for clause in left],
        elsewhere=[] if query else _examples([one for one in answered if one.anchor not in said]),
    )


def outline(version: GuidelineVersion) -> tuple[Clause, ...]:
    return clauses(markdown.render(version.body, image_label=_("image")))


def _examples(questions: Sequence[GuidelineQuestion]) -> list[Example]:
    return [Example(one.text, markdown.render(one.answer, image_label=_("image"))) for one in questions]
