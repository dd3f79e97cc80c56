"""What home and the overview show, put together from the slices' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.accounts.access import Viewer
from app.dashboard import queries
from app.dashboard.queries import MyWork, PeopleNumbers, Progress, TaskNumbers, VoteNumbers
from app.models import GuidelineVersion, Job, Project, ProjectStatus, Role
from app.projects import queries as project_queries
from app.projects.definitions import Policy

CARDS = 24
NOTHING = MyWork(n_waiting=0, n_judged=0, has_open_lease=False)


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """A project as its card shows it: the viewer's role, how far it is, and what waits for the viewer."""

    project: Project
    role: Role
    progress: Progress
    mine: MyWork

    @property
    def has_work(self) -> bool:
        """Whether "Start judging" leads to something."""
        is_active = self.project.status == ProjectStatus.ACTIVE
        return self.mine.has_open_lease or (is_active and self.mine.n_waiting > 0)


@dataclass(frozen=True, slots=True)
class ProjectCards:
    """One page of cards; `next_cursor` leads to the next one."""

    cards: list[ProjectCard]
    next_cursor: int | None


def project_cards(
    session: Session, viewer: Viewer, *, before: int | None = None, is_archived: bool = False
) -> ProjectCards:
    """Three statements, however many projects there are."""
    found = project_queries.projects_of(
        session,
        viewer_id=viewer.id,
        sees_all=viewer.is_instance_admin,
        before=before,
        limit=CARDS + 1,
        is_archived=is_archived,
    )
    shown = found[:CARDS]
    ids = [project.id for project, _ in shown]
    progress = queries.progress_of(session, ids) if ids else {}
    mine = queries.my_work(session, viewer.annotator_id, ids) if ids else {}
    cards = [
        ProjectCard(project, role, progress.get(project.id, Progress()), mine.get(project.id, NOTHING))
        for project, role in shown
    ]
    return ProjectCards(cards, next_cursor=ids[-1] if len(found) > CARDS else None)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list of next steps."""

    key: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """A project at a glance."""

    tasks: TaskNumbers
    votes: VoteNumbers
    people: PeopleNumbers
    policy: Policy
    guideline: GuidelineVersion | None
    jobs: list[Job]

    @property
    def steps(self) -> list[Step]:
        """What a new project needs before judgements can come in, in a sensible order."""
        return [
            Step("import", self.tasks.n_tasks + self.tasks.n_gold + self.tasks.n_archived > 0),
            Step("guidelines", self.guideline is not None),
            Step("invite", self.people.n_annotators + self.people.n_invited > 0 or self.votes.n_annotators > 0),
            Step("judge", self.votes.n_votes > 0),
        ]

    @property
    def next_step(self) -> str | None:
        """The key of the first step that is not done."""
        return next((step.key for step in self.steps if not step.is_done), None)

    @property
    def is_set_up(self) -> bool:
        return self.next_step is None


def overview(session: Session, project: Project, *, now: datetime | None = None) -> Overview:
    """Six statements, however large the project is."""
    _, policy = project_queries.current_policy(session, project.id)
    return Overview(
        tasks=queries.task_numbers(session, project.id),
        votes=queries.vote_numbers(session, project.id, today=start_of_day(project.timezone, now)),
        people=queries.people_numbers(session, project.id),
        policy=policy,
        guideline=project_queries.current_guideline(session, project.id),
        jobs=queries.active_jobs(session, project.id),
    )


def start_of_day(timezone: str, now: datetime | None = None) -> datetime:
    """The instant at which the current day began in that zone."""
    local = (now or datetime.now(UTC)).astimezone(ZoneInfo(timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
