"""A web process with something to show on every page of an annotator, in English and in both pseudo-locales."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext
from sqlalchemy.orm import Session

from app.models import Assignment, Message, Role
from app.projects import queries, questions, service
from tests.app.dashboard.judgements import judge
from tests.integrity.web import cookie, sign_in, web
from tests.integrity.world import Person, World
from tests.support import pseudo, servers
from tests.support.browsing import VISIT
from tests.support.factories import Factory
from tests.support.pseudo import bracketed

GUIDELINES = (
    "⟦Read all of this once.⟧\n\n# ⟦What counts⟧\n\n⟦Facts come before tone.⟧\n\n- ⟦one⟧\n- ⟦two⟧\n\n"
    "## ⟦Numbers⟧\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n# ⟦Tone⟧\n\n⟦Be **kind**, and `brief`.⟧\n"
)
WARNING = bracketed("Describes an injury")
QUESTION = bracketed("Does a joke count as tone?")
LONG = "Somebody writes a long answer here, which takes more than one line on any screen that we know of. " * 6


@dataclass(frozen=True)
class Site:
    """`pages` are the addresses of an annotator; `warned` is the desk of a project with a content warning."""

    world: World
    address: str
    person: Person
    project: int
    pages: dict[str, str]
    warned: str

    @contextlib.contextmanager
    def speaking(self, locale: str) -> Iterator[None]:
        """The annotator reads the interface in this locale for a while."""
        self.world.sql('UPDATE "user" SET locale = :locale', locale=locale)
        try:
            yield
        finally:
            self.world.sql("UPDATE \"user\" SET locale = 'en'")

    def browse(self, chromium: Browser, **how: object) -> BrowserContext:
        """A context in which the annotator is signed in."""
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        pairs = (("accord_visit", VISIT), ("accord_session", cookie(self.person)))
        context.add_cookies([{"name": name, "value": value, "url": self.address} for name, value in pairs])
        return context


@contextlib.contextmanager
def annotator_site(name: str, folder: Path) -> Iterator[Site]:
    url = servers.create_database(f"accord_{name}_{os.getpid()}")
    pseudo.write_catalogue(folder, pseudo.LOCALE, pseudo.RIGHT_TO_LEFT)
    world = World(url)
    try:
        with Session(world.engine, expire_on_commit=False) as session:
            make = Factory(session)
            person, projects, lease = _furnish(make)
        sign_in(world, [person])
        with web(world, program="tests.support.pseudo_app", ACCORD_TEST_LOCALES=str(folder)) as [address]:
            yield Site(world, address, person, projects[0], _pages(*projects, lease), f"/projects/{projects[3]}/judge")
    finally:
        world.close()
        servers.drop_database(url)


def _furnish(make: Factory) -> tuple[Person, list[int], str]:
    """(the annotator, projects: with work, without, with changed guidelines, with a warning; a judged assignment)."""
    user = make.user(name=bracketed("Bea Judge"), email="bea@example.org")
    annotator = make.annotator(user)
    annotator.pseudonym = bracketed("quiet heron")
    admin = make.user(name=bracketed("Ada Admin"))
    projects = [
        make.project(name=bracketed(name), question=bracketed("Which one helps more?"))
        for name in ("Helpful", "Finished", "New rules", "Harsh")
    ]
    for project in projects:
        make.member(project, user=user)
        make.member(project, Role.ADMIN, admin)
        make.guideline(project, number=2, body=GUIDELINES)
        texts = {"prompt": bracketed(LONG), "responses": (bracketed(LONG), bracketed("**Short** one."))}
        for _ in range(0 if project is projects[1] else 4):
            make.task(project, **texts)
    helpful, _finished, changed, harsh = projects
    harsh.content_warning = WARNING
    judged = {}
    for project in (helpful, changed):
        version = queries.current_guideline(make.session, project.id)
        assert version is not None
        task = make.task(project, prompt=bracketed("Earlier"))
        judged[project.id] = judge(make, task, annotator, guideline_version_id=version.id)
    asked = questions.ask(make.session, viewer_id=user.id, project=helpful, anchor="clause-tone", text=QUESTION)
    questions.answer(
        make.session,
        viewer_id=admin.id,
        project=helpful,
        question_id=asked.id,
        text=bracketed("A *small* one does."),
        is_shared=True,
        is_example=True,
    )
    questions.ask(make.session, viewer_id=user.id, project=helpful, anchor="", text=bracketed("And irony?"))
    draft = service.save_draft(
        make.session, viewer_id=admin.id, project_id=changed.id, body=GUIDELINES + "\n⟦No jokes.⟧", seen_at=None
    )
    service.publish_guideline(
        make.session, viewer_id=admin.id, project_id=changed.id, seen_at=draft.updated_at, is_major=True
    )
    for message in make.session.scalars(sa.select(Message)):
        message.subject, message.body = bracketed(message.subject), bracketed(message.body)
    make.commit()
    lease = make.session.get_one(Assignment, judged[helpful.id].assignment_id)
    return Person(annotator.id, user.id), [project.id for project in projects], str(lease.public_id)


def _pages(helpful: int, finished: int, changed: int, harsh: int, lease: str) -> dict[str, str]:
    base, desk = f"/projects/{helpful}/guidelines", f"/projects/{helpful}/judge"
    return {
        "home": "/",
        "projects": "/projects",
        "desk": desk,
        "desk-warned": f"/projects/{harsh}/judge",
        "desk-empty": f"/projects/{finished}/judge",
        "edit": f"{desk}/edit/{lease}",
        "history": f"{desk}/history",
        "guidelines": base,
        "guidelines-search": f"{base}?q=kind",
        "guidelines-changes": f"/projects/{changed}/guidelines/changes",
        "guidelines-compare": f"/projects/{changed}/guidelines/compare?old=2&new=3",
        "questions": f"{base}/questions",
        "account": "/account",
        "inbox": "/inbox",
        "consent": "/consent",
        "not-found": "/projects/999999",
    }
