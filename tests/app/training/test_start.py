"""Starting a run: from the form and by the API, with what was typed kept, and never on what could only fail."""

import pytest
import sqlalchemy as sa

from app.models import AuditEvent, Job, JobState, TrainingRun
from app.training.options import RewardModelOptions

FORM = {"model_kind": "scratch", "model_name": "", "name": "First try"}


@pytest.fixture
def dataset(make, project):
    return make.dataset(project, number=3)


def fields(version, /, **values):
    return {**RewardModelOptions().model_dump(exclude={"model"}), **FORM, "dataset": version.number, **values}


def runs(db):
    return db.scalars(sa.select(TrainingRun).order_by(TrainingRun.id)).all()


def test_the_page_without_data_teaches_to_freeze_first(admin, base, project):
    for address in (base, f"{base}/new"):
        page = admin.get(address)
        assert page.status_code == 200
        assert "First freeze a data set" in page.text
        assert f'href="/projects/{project.id}/datasets"' in page.text


def test_with_a_frozen_version_the_page_leads_to_the_form(admin, reviewer, base, dataset):
    assert f'href="{base}/new"' in admin.get(base).text
    assert f'href="{base}/new"' not in reviewer.get(base).text


def test_the_form_offers_frozen_versions_only_and_begins_with_the_one_asked_for(admin, base, make, project, dataset):
    make.dataset(project, number=4, is_frozen=False)
    make.dataset(project, number=5)
    page = admin.get(f"{base}/new?dataset=3").text
    assert "Version 3: 800 pairs to train on, 200 held out" in page
    assert "Version 5" in page
    assert "Version 4" not in page
    assert '<option value="3" selected' in " ".join(page.split())


def test_a_run_starts_from_the_form(admin, base, db, dataset, project):
    answer = admin.post(base, data=fields(dataset, epochs="2", learning_rate="0.001"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/1")
    (run,) = runs(db)
    assert (run.number, run.name, run.algorithm, run.dataset_version_id) == (1, "First try", "reward_model", dataset.id)
    assert run.options == RewardModelOptions(model="scratch", epochs=2, learning_rate=0.001).model_dump()
    job = db.get(Job, run.job_id)
    assert (job.kind, job.queue, job.state, job.project_id) == ("train", "train", JobState.QUEUED, project.id)
    assert job.payload["run_id"] == run.id
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "training.start")).one()
    assert (event.project_id, event.target_id, event.detail["dataset"]) == (project.id, str(run.id), 3)
    trail = admin.get(f"/projects/{project.id}/audit").text
    assert "started the training of First try on data set 3" in trail
    assert f'href="{base}/1"' in trail


def test_numbers_count_up_in_each_project(admin, base, db, dataset):
    for _each in range(3):
        admin.post(base, data=fields(dataset, name=""))
    assert [(run.number, run.name) for run in runs(db)] == [(n, f"reward-model-{n}") for n in (1, 2, 3)]


def test_a_model_of_ones_own_is_named(admin, base, db, dataset):
    admin.post(base, data=fields(dataset, model_kind="other", model_name=" org/encoder "))
    assert runs(db)[0].options["model"] == "org/encoder"


@pytest.mark.parametrize(
    ("wrong", "sentence", "field"),
    [
        ({"epochs": "none"}, "Please give a whole number.", "epochs"),
        ({"learning_rate": "7"}, "Please give a number up to 1.0.", "learning_rate"),
        ({"warmup": "-1"}, "Please give a number from 0.0 upwards.", "warmup"),
        ({"model_kind": "other"}, "Please fill this in.", "model_name"),
        ({"dataset": "77"}, "Please choose a frozen version.", "dataset"),
        ({"dataset": ""}, "Please give a whole number.", "dataset"),
        ({"name": "x" * 121}, "Please use at most 120 characters.", "name"),
        ({"batch_size": "900"}, "The data set has 800 rows to train on, fewer than one batch.", "batch_size"),
        ({"criterion": "tone"}, "The data set has no rows of this criterion.", "criterion"),
    ],
)
def test_bad_values_keep_the_form_and_say_what_is_wrong(admin, base, db, dataset, wrong, sentence, field):
    answer = admin.post(base, data=fields(dataset, **({"name": "Kept <b>name</b>", "seed": "41"} | wrong)))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'id="field-{field}-error"' in answer.text
    assert 'value="41"' in answer.text
    if "name" not in wrong:
        assert "Kept &lt;b&gt;name&lt;/b&gt;" in answer.text
    assert runs(db) == []


def test_a_wrong_advanced_option_opens_its_part_of_the_form(admin, base, dataset):
    wrong = admin.post(base, data=fields(dataset, warmup="5")).text
    assert '<details class="disclosure" open' in wrong
    assert '<details class="disclosure" open' not in admin.post(base, data=fields(dataset, epochs="0")).text


def test_with_several_criteria_one_must_be_chosen(admin, base, db, make, project):
    counts = {"splits": {"train": {"rows": 100}, "held_out": {"rows": 20}}}
    manifest = {"counts": counts, "criteria": {"helpful": 60, "polite": 40}}
    version = make.dataset(project, number=1, manifest=manifest)
    refused = admin.post(base, data=fields(version))
    assert "Choose one: helpful, polite." in refused.text
    assert admin.post(base, data=fields(version, criterion="polite")).status_code == 303


def test_train_again_begins_with_the_options_of_the_earlier_run(admin, base, make, project, dataset):
    options = RewardModelOptions(model="org/encoder", epochs=7).model_dump()
    make.training_run(project, number=4, state=JobState.FAILED, dataset=dataset, options=options, name="Failed one")
    page = admin.get(f"{base}/new?like=4").text
    assert "options of run 4" in page
    for value in ("org/encoder", "Failed one", "7"):
        assert f'value="{value}"' in page
    assert '<option value="3" selected' in " ".join(page.split())


def test_an_archived_project_starts_nothing(admin, base, db, dataset, project):
    admin.post(f"/projects/{project.id}/archive", data={"confirm": "true"})
    assert admin.post(base, data=fields(dataset)).status_code == 409
    assert runs(db) == []


def test_the_api_starts_a_run_with_the_same_options(admin, base, db, dataset):
    answer = admin.post(f"/api/v1{base}", json={"dataset": 3, "options": {"model": "scratch", "epochs": 3}})
    assert answer.status_code == 202
    found = answer.json()
    assert (found["number"], found["state"], found["dataset"], found["model"]) == (1, "queued", 3, "scratch")
    assert found["options"] == RewardModelOptions(model="scratch", epochs=3).model_dump()
    assert found["job"]["kind"] == "train"
    assert runs(db)[0].name == "reward-model-1"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"dataset": 9}, 422, "invalid"),
        ({"dataset": 4}, 409, "conflict"),
        ({"dataset": 3, "options": {"epochs": 0}}, 422, "invalid_field"),
        ({"dataset": 3, "options": {"out": "/etc"}}, 422, "invalid_field"),
        ({"dataset": 3, "algorithm": "magic"}, 422, "invalid_field"),
        ({"dataset": 3, "options": {"batch_size": 4000}}, 422, "invalid"),
    ],
)
def test_the_api_refuses_with_a_code(admin, base, db, make, project, dataset, body, status, code):
    make.dataset(project, number=4, is_frozen=False)
    answer = admin.post(f"/api/v1{base}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert runs(db) == []


def test_the_data_of_another_project_is_not_found(admin, base, db, make):
    make.dataset(make.project(), number=8)
    assert admin.post(f"/api/v1{base}", json={"dataset": 8}).status_code == 422
    assert runs(db) == []
