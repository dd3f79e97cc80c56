"""A person's own work as their home shows it: measured against nobody but themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.accounts.access import Viewer
from app.annotation.handing_out import Nothing, why_nothing
from app.annotation.queries import Remaining
from app.dashboard import own_queries
from app.dashboard.service import ProjectCard
from app.domain.agreement_intervals import Estimate
from app.domain.pace import MINIMUM_REPEATS, Day, Pace, pace, share
from app.models import ProjectStatus, Role

MS_PER_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class OwnWork:
    """One project: today's judgements and times, the pace, consistency on hidden repeats until yesterday.

    `consistency` is None with fewer than MINIMUM_REPEATS repeats. `nothing` says why nothing waits; None while
    something does. `n_questions` wait for an answer, where the person may give one.
    """

    n_today: int
    n_total: int
    active_minutes: int
    idle_minutes: int
    pace: Pace
    consistency: Estimate | None
    nothing: Nothing | None
    n_questions: int

    @property
    def has_numbers(self) -> bool:
        return self.n_total > 0


def own_work(
    session: Session, viewer: Viewer, cards: Sequence[ProjectCard], *, now: datetime | None = None
) -> dict[int, OwnWork]:
    """By project id; four statements however many projects there are."""
    if not cards:
        return {}
    now = now or datetime.now(UTC)
    ids = [card.project.id for card in cards]
    days = own_queries.days(session, viewer.annotator_id, ids, now=now)
    repeats = own_queries.repeats(session, viewer.annotator_id, ids, now=now)
    left = own_queries.remaining(session, viewer.annotator_id, ids)
    questions = own_queries.open_questions(session, ids)
    found = {}
    for card in cards:
        project = card.project
        today = now.astimezone(ZoneInfo(project.timezone)).date()
        n_same, n_repeats = repeats.get(project.id, (0, 0))
        found[project.id] = _own(
            card,
            days.get(project.id, []),
            today,
            consistency=share(n_same, n_repeats) if n_repeats >= MINIMUM_REPEATS else None,
            nothing=_nothing(card, left[project.id]),
            n_questions=questions.get(project.id, 0) if card.role != Role.ANNOTATOR else 0,
        )
    return found


def _nothing(card: ProjectCard, left: Remaining) -> Nothing | None:
    if card.has_work:
        return None
    if card.project.status != ProjectStatus.ACTIVE:
        return Nothing.PAUSED if card.project.status == ProjectStatus.PAUSED else Nothing.ARCHIVED
    return why_nothing(left)


def _own(
    card: ProjectCard,
    days: list[Day],
    today: date,
    *,
    consistency: Estimate | None,
    nothing: Nothing | None,
    n_questions: int,
) -> OwnWork:
    this = next((day for day in days if day.day == today), Day(today, 0, 0, 0, 0))
    return OwnWork(
        n_today=this.n,
        n_total=card.mine.n_judged,
        active_minutes=round(this.active_ms / MS_PER_MINUTE),
        idle_minutes=round(this.idle_ms / MS_PER_MINUTE),
        pace=pace(days, today),
        consistency=consistency,
        nothing=nothing,
        n_questions=n_questions,
    )
