"""Every text of the interface passes through gettext, and can be collected for translators."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app import queue
from app.datasets import service
from app.models import AnnotatorKind, Checkpoint, GuidelineQuestion, Job, JobState, ProjectStatus, Role, TrainingLog
from app.projects.questions import answer, ask
from app.projects.service import save_draft
from app.web import i18n
from scripts import messages
from tests.app.dashboard.judgements import judge
from tests.app.datasets.votes import freeze, vote
from tests.app.training.conftest import RESULT
from tests.support import pseudo
from tests.support.pseudo import bracketed
from workers.tasks.jobs import run_job


@pytest.fixture(scope="session")
def catalogues(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locale")
    pseudo.write_catalogue(folder)
    return folder


@pytest.fixture(autouse=True)
def pseudo_locale(catalogues, monkeypatch):
    monkeypatch.setattr(i18n, "LOCALE_FOLDER", catalogues)
    i18n.translations.cache_clear()
    yield
    i18n.translations.cache_clear()


@pytest.fixture
def reader(make, browse):
    """reader(project, role) -> a client in the pseudo-locale; all that people wrote is in brackets too."""

    def reading(project=None, role=Role.ADMIN, **values):
        user = make.user(locale=pseudo.LOCALE, name=bracketed("name"), **values)
        make.annotator(user).pseudonym = bracketed(f"reader {user.id}")
        if project is not None:
            make.member(project, role, user)
        make.commit()
        return browse(user)

    return reading


@pytest.fixture
def project(make, db):
    """A project in which there is something to show everywhere."""
    project = make.project(name=bracketed("project"), question=bracketed("question"), is_sample=True)
    make.guideline(project, number=2, body=bracketed("guideline"))
    make.guideline(project, number=3, body=bracketed("another guideline"))
    written = {"prompt": bracketed("prompt"), "responses": (bracketed("one"), bracketed("another"))}
    make.task(project, **written)
    make.task(project, gold="first", **written)
    for kind in (AnnotatorKind.SIMULATED, AnnotatorKind.IMPORTED):
        annotator = make.outside_annotator(project, kind)
        annotator.pseudonym = bracketed(f"pseudonym {annotator.id}")
        judge(make, make.task(project, **written), annotator)
    queue.enqueue(db, queue.Job.IMPORT_TASKS, {}, project_id=project.id)
    trained(make, project)
    save_draft(db, viewer_id=None, project_id=project.id, body=bracketed("draft"), seen_at=None)
    asker, reviewer = make.member(project), make.member(project, Role.REVIEWER)
    for person in (asker, reviewer):
        person.name = bracketed(person.name)
        make.annotator(person).pseudonym = bracketed(f"member {person.id}")
    for number in range(2):
        ask(db, viewer_id=asker.id, project=project, anchor="", text=bracketed(f"question {number}"))
    answered = db.scalars(sa.select(GuidelineQuestion).limit(1)).one()
    given = {"text": bracketed("answer"), "is_shared": True, "is_example": True}
    answer(db, viewer_id=reviewer.id, project=project, question_id=answered.id, **given)
    db.commit()
    return project


def trained(make, project):
    """Runs in each state, with all that a page can say of them."""
    dataset = make.dataset(project)
    states = (JobState.QUEUED, JobState.RUNNING, JobState.FAILED, JobState.SUCCEEDED)
    for number, state in enumerate(states, start=1):
        job = {"attempt": 2, "progress": 0.5, "phase": "training", "error": bracketed("error")}
        result = RESULT | {"base": bracketed("base")} if state == JobState.SUCCEEDED else None
        name = bracketed(f"run {number}")
        run = make.training_run(
            project, number=number, state=state, name=name, dataset=dataset, job=job, result=result, files={}
        )
        db_job = make.session.get(Job, run.job_id)
        db_job.payload = {**db_job.payload, "name": name}
        for step in (10, 20):
            make.measured(run, step, attempt=2)
            make.measured(run, step, kind="evaluation", attempt=2, **RESULT)
        make.session.add(Checkpoint(run_id=run.id, attempt=1, step=10, stored="x", manifest_sha256="0", bytes=9))
        make.session.add(TrainingLog(job_id=run.job_id, attempt=1, level="info", message=bracketed("line")))


def assert_translated(response, status=200):
    assert response.status_code == status
    assert f'lang="{pseudo.LOCALE}"' in response.text
    assert pseudo.untranslated(response.text) == []


HOME = ("/", "/projects", "/projects?archived=true")
OF_THE_INSTALLATION = ("/", "/projects/new", "/audit", "/audit?actor=7", "/people", "/people/consent")
OF_A_PERSON = ("/account", "/inbox", "/consent")
OF_A_PROJECT = (
    "",
    "/settings",
    "/settings?saved=work",
    "/guidelines",
    "/guidelines/versions/2",
    "/guidelines/compare",
    "/guidelines/compare?old=2&new=2",
    "/guidelines?q=guideline",
    "/guidelines?q=nothing-like-it",
    "/guidelines/questions",
    "/guidelines/questions?said=answered",
    "/guidelines/edit",
    "/audit",
    "/audit?action=project.pause",
    "/audit?since=x",
    "/people",
    "/tasks",
    "/training",
    "/training/new",
    "/training/new?like=3",
    "/training/1",
    "/training/2",
    "/training/3",
    "/training/4",
    "/datasets",
    "/import",
    "/jobs",
    "/judge",
    "/judge/history",
)


def left_in(client, paths):
    """What each page leaves untranslated, by its address; a page that cannot be shown is a fault too."""
    found = {}
    for path in paths:
        page = client.get(path)
        left = pseudo.untranslated(page.text)
        if left or page.status_code >= 500 or f'lang="{pseudo.LOCALE}"' not in page.text:
            found[path] = (page.status_code, left)
    return found


@pytest.mark.parametrize("role", list(Role))
def test_home_and_guidelines_by_role(reader, project, role):
    assert left_in(reader(project, role), (*HOME, f"/projects/{project.id}/guidelines")) == {}


def test_pages_outside_a_project(reader):
    assert left_in(reader(is_instance_admin=True), (*HOME, *OF_THE_INSTALLATION, *OF_A_PERSON)) == {}
    assert left_in(reader(), HOME) == {}


@pytest.mark.parametrize("status", list(ProjectStatus))
def test_pages_of_a_project(reader, project, db, status):
    client = reader(project)
    client.post(f"/projects/{project.id}/settings/work", data={"overlap": 4})
    project.status = status
    if status == ProjectStatus.ARCHIVED:
        project.archived_at = project.created_at
    db.commit()
    assert left_in(client, [f"/projects/{project.id}{path}" for path in OF_A_PROJECT]) == {}


def test_data_sets_from_the_form_to_the_check(reader, make, db):
    project = make.project(name=bracketed("project"), question=bracketed("question"))
    client, base = reader(project), f"/projects/{project.id}/datasets"
    assert_translated(client.get(base))
    assert_translated(
        client.post(base, data={"minimum_votes": "0", "slice_weights": "x", "split_seed": ""}), status=422
    )
    assert_translated(client.post(base, data={}), status=422)
    freeze(db, project)
    assert_translated(client.get(f"{base}/1"))
    for n in range(4):
        task = make.task(project, prompt=bracketed(f"prompt {n}"), responses=(bracketed("one"), bracketed("another")))
        for _ in range(2):
            vote(make, task, make.outside_annotator(project), ("first", "tie")[n % 2])
    version, _job = freeze(db, project, ties="keep", guideline_versions=[0, 1], agreement=0.8)
    assert_translated(client.get(f"{base}/2"))
    client.post(f"{base}/2/verify")
    assert_translated(client.get(f"{base}/2"))
    check = service.verify(db, version, actor_id=None)
    db.commit()
    run_job(check.id)
    assert_translated(client.get(f"{base}/2"))
    assert_translated(client.get(base))


def test_a_new_project_and_its_next_steps(reader, make):
    project = make.project(name=bracketed("new"), question=bracketed("question"))
    client = reader(project)
    assert_translated(client.get(f"/projects/{project.id}"))
    assert_translated(client.get(f"/projects/{project.id}/audit"))
    assert_translated(client.get("/"))


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("settings/details", {"name": "", "language": "x", "timezone": "x"}, 422),
        ("schema", {"strength_steps": "9"}, 422),
        ("settings/work", {"overlap": "x", "lease_minutes": "0", "gold_percent": "x", "edit_hours": "9999"}, 422),
        ("archive", {}, 422),
        ("guidelines/draft", {"body": bracketed("mine"), "seen_at": ""}, 409),
        ("guidelines/publish", {"body": ""}, 409),
        ("guidelines/draft", {"body": "\x00"}, 422),
        ("guidelines/discard", {}, 409),
        ("restore", {}, 409),
        ("guidelines/questions", {"anchor": "clause-gone", "text": bracketed("?")}, 422),
        ("training", {"dataset": "9", "epochs": "x", "warmup": "7", "model_kind": "other"}, 422),
        ("training/4/cancel", {}, 409),
    ],
)
def test_refusals(reader, project, path, data, status):
    assert_translated(reader(project).post(f"/projects/{project.id}/{path}", data=data), status=status)


def test_a_new_project_that_cannot_be_made(reader):
    assert_translated(reader(is_instance_admin=True).post("/projects", data={}), status=422)


def test_what_is_not_allowed_or_not_there(reader, project):
    assert_translated(reader(project, Role.REVIEWER).get(f"/projects/{project.id}/settings"), status=403)
    assert_translated(reader().get(f"/projects/{project.id}"), status=404)


def test_the_api_says_its_sentences_in_the_readers_language(reader, project):
    answer = reader(project).post(f"/api/v1/projects/{project.id}/restore")
    assert answer.json()["detail"].startswith(pseudo.OPEN)


def test_an_untranslated_text_is_found():
    page = f'<p title="Title">{bracketed("fine")} left out</p><b>{bracketed("a " + bracketed("b"))}</b><time>may</time>'
    assert sorted(pseudo.untranslated(page)) == ["Title", "left out"]


def test_a_sentence_around_a_tag_is_one_sentence():
    assert pseudo.untranslated("<p>⟦Saved <time>now</time> by <b>⟦name⟧</b>⟧</p>") == []


def test_texts_are_collected_from_templates_pages_and_errors():
    ids = {message.id for message in messages.extract()}
    assert "Next steps" in ids
    assert "%(actor)s paused the project" in ids
    assert "This project is archived. Restore it before changing anything." in ids
    assert ("%(num)d line unchanged", "%(num)d lines unchanged") in ids


def test_a_catalogue_keeps_its_translations_and_drops_what_is_gone(tmp_path):
    template = messages.extract()
    path = messages.update("de", template, tmp_path)
    text = path.read_text()
    assert 'msgid "Next steps"\nmsgstr ""' in text
    gone = 'msgid "A text of long ago"\nmsgstr "Lange her"\n\n'
    path.write_text(
        text.replace('msgid "Next steps"\nmsgstr ""', f'{gone}msgid "Next steps"\nmsgstr "Nächste Schritte"')
    )
    again = messages.update("de", template, tmp_path).read_text()
    assert 'msgstr "Nächste Schritte"' in again
    assert "long ago" not in again
