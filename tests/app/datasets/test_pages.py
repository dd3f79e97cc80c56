"""Pages and API of data sets: freezing by form, watching, reading, checking, downloading; and who may not."""

import json

import pytest

from app import storage
from app.datasets import service
from app.datasets.schemas import FreezePolicy
from app.models import DatasetVersion, Job, JobState, ProjectStatus, Prompt, Response, Role
from tests.app.datasets.votes import freeze, some_votes, vote
from workers.tasks.jobs import run_job

DEFAULTS = {
    "held_out_percent": "20",
    "minimum_votes": "1",
    "ties": "keep",
    "label_rule": "soft",
    "both_bad": "half",
    "guideline_versions": "",
    "agreement_percent": "",
    "slice_weights": "",
    "cluster_by": "prompt",
    "cluster_key": "cluster",
    "split_seed": "0",
    "reason_base": "true",
    "reason_imported": "true",
    "reason_calibration": "true",
    "kind_person": "true",
    "kind_imported": "true",
    "kind_simulated": "true",
}


@pytest.fixture
def project(make):
    return make.project(name="Café & <Co>")


@pytest.fixture
def admin(browse, make, project):
    return browse(make.member(project, Role.ADMIN))


@pytest.fixture
def reviewer(browse, make, project):
    return browse(make.member(project, Role.REVIEWER))


@pytest.fixture
def base(project):
    return f"/projects/{project.id}/datasets"


def newest(db, project):
    db.expire_all()
    return db.query(DatasetVersion).filter_by(project_id=project.id).order_by(DatasetVersion.number.desc()).first()


def test_the_empty_list_teaches_the_next_step(admin, reviewer, base):
    page = admin.get(base)
    assert page.status_code == 200
    assert "No data set so far" in page.text
    assert "Freeze a version" in page.text
    assert f'href="{base}"' in page.text
    assert "Freeze a version" not in reviewer.get(base).text


def test_a_version_is_frozen_by_form_watched_and_read(make, db, project, admin, reviewer, base):
    some_votes(make, project)
    answer = admin.post(base, data=DEFAULTS)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/1")
    version = newest(db, project)
    assert FreezePolicy.model_validate(version.policy) == FreezePolicy()
    waiting = admin.get(f"{base}/1")
    assert f'hx-get="{base}/1/card"' in waiting.text
    assert "Train a model" not in waiting.text
    card = reviewer.get(f"{base}/1/card", headers={"HX-Request": "true"})
    assert f'hx-get="{base}/1/card"' in card.text
    assert "/cancel" not in card.text
    run_job(version.job_id)
    ended = admin.get(f"{base}/1/card", headers={"HX-Request": "true"})
    assert ended.headers["HX-Redirect"] == f"{base}/1"
    page = admin.get(f"{base}/1")
    version = newest(db, project)
    for text in (
        version.content_hash,
        "Frozen",
        f"/projects/{project.id}/training/new?dataset=1",
        "manifest.json",
        "P =",
    ):
        assert text in page.text
    assert "/training/new" not in reviewer.get(f"{base}/1").text
    listed = reviewer.get(base).text
    assert version.content_hash[:12] in listed
    assert f'href="{base}/1"' in listed


def test_the_form_says_what_the_policy_says(db, project, admin, base):
    sent = DEFAULTS | {
        "held_out_percent": "12.5",
        "minimum_votes": "3",
        "ties": "leave_out",
        "label_rule": "reliability_weighted",
        "both_bad": "leave_out",
        "guideline_versions": "2, 0",
        "agreement_percent": "81",
        "slice_weights": "domain = code: 0.5\nlanguage=de:2",
        "cluster_by": "domain",
        "cluster_key": " debate ",
        "split_seed": "7",
        "archived_tasks": "true",
        "reason_escalation": "true",
        "kind_model": "true",
    }
    del sent["kind_simulated"], sent["reason_base"]
    assert admin.post(base, data=sent).status_code == 303
    assert newest(db, project).policy == {
        "overlap_reasons": ["calibration", "escalation", "imported"],
        "annotator_kinds": ["imported", "model", "person"],
        "guideline_versions": [0, 2],
        "archived_tasks": True,
        "minimum_votes": 3,
        "label_rule": "reliability_weighted",
        "agreement": 0.81,
        "both_bad": "leave_out",
        "ties": "leave_out",
        "slice_weights": [
            {"by": "domain", "value": "code", "weight": 0.5},
            {"by": "language", "value": "de", "weight": 2.0},
        ],
        "cluster_by": "domain",
        "cluster_key": "debate",
        "held_out_share": 0.125,
        "split_seed": 7,
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"held_out_percent": "0"}, "from 1.0 upwards"),
        ({"held_out_percent": "nan"}, "Please give a number"),
        ({"held_out_percent": "95"}, "up to 90"),
        ({"minimum_votes": "0"}, "from 1 upwards"),
        ({"minimum_votes": "1.5"}, "whole number"),
        ({"ties": "maybe"}, "one of the list"),
        ({"agreement_percent": "40"}, "above 50"),
        ({"agreement_percent": "much"}, "give a number"),
        ({"guideline_versions": "first"}, "version numbers"),
        ({"guideline_versions": "99999999999"}, "numbers from 1 upwards"),
        ({"slice_weights": "code is half"}, "one slice a line"),
        ({"slice_weights": "domain = code: 0"}, "more than 0"),
        ({"slice_weights": "domain = code: 1\ndomain = code: 2"}, "named twice"),
        ({"split_seed": "-1"}, "from 0 upwards"),
        ({"kind_person": "", "kind_imported": "", "kind_simulated": ""}, "one kind of annotators"),
        ({"reason_base": "", "reason_imported": "", "reason_calibration": ""}, "at least one reason"),
    ],
)
def test_a_bad_policy_is_refused_with_a_sentence_and_what_was_typed_stays(db, project, admin, base, change, sentence):
    sent = {
        name: value for name, value in (DEFAULTS | {"split_seed": "41"} | change).items() if value or name not in change
    }
    answer = admin.post(base, data=sent)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Nothing was frozen" in answer.text
    assert f'value="{sent["split_seed"]}"' in answer.text
    assert newest(db, project) is None


def test_a_failed_freeze_says_why(make, db, project, admin, base):
    version, _job = freeze(db, project)
    page = admin.get(f"{base}/{version.number}")
    assert "there is nothing to freeze" in page.text
    assert "Not frozen" in admin.get(base).text
    assert admin.get(f"{base}/{version.number}/files/train.jsonl").status_code == 409
    assert admin.post(f"{base}/{version.number}/verify").status_code == 409


def test_a_cancelled_freeze_says_so(make, db, project, admin, base):
    version = service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy())
    db.commit()
    admin.post(f"/jobs/{version.job_id}/cancel")
    assert "Freezing was cancelled" in admin.get(f"{base}/1").text


def test_files_are_downloaded_as_attachments(make, db, project, reviewer, base):
    some_votes(make, project)
    version, _ = freeze(db, project)
    for name, file in version.files.items():
        answer = reviewer.get(f"{base}/1/files/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="caf-co-dataset-1-{name}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.content) == file["bytes"] == int(answer.headers["content-length"])
        assert reviewer.get(f"/api/v1{base}/1/files/{name}").content == answer.content
    policy = json.loads(reviewer.get(f"{base}/1/files/policy.json").content)
    assert set(policy["policy"]) == set(FreezePolicy.model_fields)
    assert all(each["means"].endswith(".") for each in policy["policy"].values())
    for name in ("other.jsonl", "..%2F..%2Fsecret", "train.jsonl.partial"):
        assert reviewer.get(f"{base}/1/files/{name}").status_code == 404
    storage.delete_stored(version.files["train.jsonl"]["stored"])
    assert reviewer.get(f"{base}/1/files/train.jsonl").status_code == 404
    assert reviewer.get(f"{base}/1").status_code == 200


def test_what_people_wrote_is_text_on_the_page(make, db, project, admin, base):
    task = some_votes(make, project, n_tasks=4)[0]
    hostile = "<script>alert(1)</script>"
    db.query(Prompt).filter_by(project_id=project.id).update({"content": {"text": hostile}, "meta": {}})
    prompts = db.query(Prompt).filter_by(project_id=project.id).all()
    for n, prompt in enumerate(prompts):
        prompt.meta = {"cluster": n}
        db.query(Response).filter_by(prompt_id=prompt.id, position=0).update({"text": f"{hostile} {n}"})
    db.commit()
    assert task is not None
    freeze(db, project)
    page = admin.get(f"{base}/1").text
    assert hostile not in page
    assert "&lt;script&gt;alert(1)" in page


def test_building_again_is_asked_for_and_shown(make, db, project, admin, reviewer, base):
    some_votes(make, project)
    version, _ = freeze(db, project)
    assert reviewer.post(f"{base}/1/verify").status_code == 403
    assert admin.post(f"{base}/1/verify").headers["location"] == f"{base}/1#check"
    job = db.query(Job).filter_by(kind="verify_dataset").one()
    assert f'hx-get="{base}/1/card?check=true"' in reviewer.get(f"{base}/1").text
    again = admin.post(f"{base}/1/verify")
    assert again.status_code == 303
    assert db.query(Job).filter_by(kind="verify_dataset").count() == 1
    run_job(job.id)
    assert "Rebuilt from its votes: the same hash" in reviewer.get(f"{base}/1").text
    storage.delete_stored(version.files["train.jsonl"]["stored"])
    admin.post(f"{base}/1/verify")
    db.expire_all()
    run_job(db.query(Job).filter_by(kind="verify_dataset", state=JobState.QUEUED).one().id)
    assert "damaged or gone: train.jsonl" in admin.get(f"{base}/1").text


def test_the_job_page_leads_to_the_data_set(make, db, project, admin, base):
    some_votes(make, project)
    _version, job = freeze(db, project)
    assert f'href="{base}/1"' in admin.get(f"/jobs/{job.id}").text
    assert "Freezing of data set 1" in admin.get(f"/projects/{project.id}/jobs").text


def test_an_archived_project_shows_its_data_and_freezes_none(make, db, project, admin, base):
    some_votes(make, project)
    freeze(db, project)
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    assert 'id="freeze"' not in admin.get(base).text
    assert admin.post(base, data=DEFAULTS).status_code == 409
    assert admin.get(f"{base}/1").status_code == 200


def test_another_project_number_is_not_found(make, db, project, admin):
    other = make.project()
    some_votes(make, other)
    freeze(db, other)
    assert admin.get(f"/projects/{other.id}/datasets/1").status_code == 404
    assert admin.get(f"/projects/{project.id}/datasets/1").status_code == 404
    assert admin.get(f"/projects/{project.id}/datasets/{2**70}").status_code == 404


def test_no_page_names_a_person(make, db, project, admin, base):
    user = make.member(project, Role.ADMIN)
    some_votes(make, project)
    service.freeze(db, project_id=project.id, actor_id=user.id, policy=FreezePolicy())
    db.commit()
    page = admin.get(base).text
    assert make.annotator(user).pseudonym in page
    assert user.name not in page
    assert user.email not in page


def test_statements_of_the_list_do_not_grow_with_it(make, db, project, admin, base, count_statements):
    some_votes(make, project)
    freeze(db, project)
    with count_statements() as one:
        admin.get(base)
    for _ in range(4):
        freeze(db, project)
    with count_statements() as many:
        admin.get(base)
    assert len(many) == len(one)


def test_the_list_is_paged(make, db, project, admin, base, monkeypatch):
    from app.datasets import pages

    monkeypatch.setattr(pages, "PAGE", 2)
    for _ in range(3):
        service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy())
    db.commit()
    first = admin.get(base).text
    assert f"{base}/3" in first
    assert f'href="{base}/1"' not in first
    assert f'href="{base}?cursor=2"' in first
    second = admin.get(f"{base}?cursor=2").text
    assert f'href="{base}/1"' in second


def test_the_api_freezes_reads_and_checks(make, db, project, admin, reviewer, base):
    some_votes(make, project)
    vote(make, make.task(project), make.outside_annotator(project), "tie")
    made = admin.post(f"/api/v1{base}", json={"ties": "leave_out", "held_out_share": 0.3})
    assert made.status_code == 202
    assert (made.json()["number"], made.json()["state"]) == (1, "queued")
    assert made.json()["policy"]["ties"] == "leave_out"
    run_job(made.json()["job_id"])
    found = reviewer.get(f"/api/v1{base}/1").json()
    assert (found["state"], found["rows"], found["manifest"]["exclusions"]) == ("frozen", 10, {"tie": 1})
    assert "stored" not in json.dumps(found["files"])
    assert reviewer.get(f"/api/v1{base}").json()["items"][0]["content_hash"] == found["content_hash"]
    check = admin.post(f"/api/v1{base}/1/verify")
    assert check.status_code == 202
    run_job(check.json()["id"])
    assert reviewer.get(f"/api/v1{base}/1").json()["last_check"]["result"]["is_same"] is True
    assert reviewer.post(f"/api/v1{base}", json={}).status_code == 403


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"overlap_reasons": []}, "overlap_reasons"),
        ({"overlap_reasons": ["gold"]}, "overlap_reasons"),
        ({"guideline_versions": []}, "guideline_versions"),
        ({"agreement": 0.5}, "agreement"),
        ({"held_out_share": 1.0}, "held_out_share"),
        ({"slice_weights": [{"by": "model", "value": "x", "weight": 1}]}, "by"),
        ({"slice_weights": [{"by": "domain", "value": "x", "weight": 1}] * 2}, "slice_weights"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_the_api_refuses_a_bad_policy(project, admin, base, policy, field):
    answer = admin.post(f"/api/v1{base}", json=policy)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
