"""Evaluations of finished runs: asking for one by form and by API, and the page of what it found."""

import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import queue, storage
from app.errors import NotFound
from app.models import AuditEvent, Job, JobState
from app.training import evaluations
from tests.app.training.conftest import DPO_RESULT, RESULT, SFT_RESULT

FILES = {"model.safetensors": {"stored": "runs/1/attempt-1/result/model.safetensors", "sha256": "a" * 64, "bytes": 8}}
PARTS = ("noise_ceiling", "temperature", "baselines")
SCORED = {
    "model": "run-1",
    "max_length": 256,
    "n_cut": 3,
    "n_shared_clusters": 2,
    "pairs": {name: value for name, value in RESULT.items() if name not in PARTS},
    **{name: RESULT[name] for name in PARTS},
    "against": {
        "model": "run-2",
        "accuracy": 0.8432,
        "accuracy_interval": [0.81, 0.87],
        "against_accuracy": 0.8012,
        "against_accuracy_interval": [0.77, 0.83],
        "difference": 0.042,
        "difference_interval": [-0.005, 0.09],
        "n": 1160,
        "n_only_first": 91,
        "n_only_second": 42,
        "n_undecided": 0,
        "mcnemar_p": 0.0213,
    },
    "best_of_4": None,
    "seconds": 12.5,
}
BEST = {
    "n": 80,
    "n_ties": 0,
    "chance": 0.25,
    "accuracy": 0.6125,
    "accuracy_interval": [0.51, 0.72],
    "n_left_out": 0,
    "subsets": [{"name": "Math <b>", "n": 40, "n_ties": 0, "chance": 0.25, "accuracy": 0.5, "accuracy_interval": None}],
}


def answered(**changed):
    row = {"n": 80, "n_clusters": 40}
    for side in ("policy", "reference"):
        for name, value in (("tokens", 12.25), ("characters", 61.5), ("ended", 0.75), ("repeated_4_grams", 0.11)):
            row |= {f"{side}_{name}": value, f"{side}_{name}_interval": [value * 0.9, value * 1.1]}
        row[f"{side}_distinct_2_grams"] = 0.61
    for name in ("kl_k1_per_token", "kl_k3_per_token", "kl_k1_per_answer"):
        row |= {name: 0.0312, f"{name}_interval": [0.02, 0.04]}
    return row | changed


JUDGED = {
    "win_rate": 0.6123,
    "win_rate_interval": [0.51, 0.71],
    "length_controlled_win_rate": 0.5812,
    "length_controlled_win_rate_interval": [0.47, 0.69],
    "reward_gain": 0.4321,
    "reward_gain_interval": [0.1, 0.7],
    "n_wins": 47,
    "n_ties": 4,
    "n_losses": 29,
}
WRITTEN = {
    "policy": "run-2",
    "reference": "run-1",
    "reward_model": "run-3",
    "temperature": 1.0,
    "max_new_tokens": 128,
    "total": answered(**JUDGED),
    "sets": [{"name": "helpful", **answered(n=40)}, {"name": "honest", "n": 3}],
    "implicit_reward": {**DPO_RESULT, "beta": 0.1},
    "samples": [
        {
            "row": 4,
            "set": "helpful",
            "prompt": "Why <i>blue</i>?",
            "policy": "Air <script>alert(1)</script>",
            "reference": "The sea.",
            "policy_ended": True,
            "reference_ended": False,
            "policy_reward": 1.2345,
            "reference_reward": -0.5,
        }
    ],
    "seconds": 33.0,
}


@pytest.fixture
def dataset(make, project):
    return make.dataset(project, number=3)


@pytest.fixture
def runs(make, project, dataset):
    """Two reward models (1, 2), SFT from a hub's model (3), DPO on it (4), and SFT from scratch (5)."""
    made = [
        ("reward_model", RESULT, {"model": "scratch", "criterion": ""}),
        ("reward_model", RESULT, {"model": "minilm"}),
        ("sft", SFT_RESULT, {"model": "org/small"}),
        ("dpo", DPO_RESULT, {"model": "run-3", "base_run": 3, "beta": 0.2}),
        ("sft", SFT_RESULT, {"model": "scratch"}),
    ]
    return [
        make.training_run(
            project,
            number=number,
            algorithm=algorithm,
            options=options,
            state=JobState.SUCCEEDED,
            dataset=dataset,
            result=result,
            files=FILES,
        )
        for number, (algorithm, result, options) in enumerate(made, start=1)
    ]


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def found(db):
    return list(db.scalars(sa.select(Job).where(Job.kind == queue.Job.EVALUATE).order_by(Job.id)))


def ended(db, make, run, result, **options):
    """An evaluation that has ended well."""
    asked = {"dataset": 3, "against": None, "reference": None, "judge": None, "criterion": "", "seed": 0}
    asked |= {"max_new_tokens": 128, "temperature": 1.0} | options
    payload = {"run_id": run.id, "number": run.number, "name": run.name, "algorithm": run.algorithm}
    job = queue.enqueue(
        db, queue.Job.EVALUATE, {**payload, "options": asked, "upload": None}, project_id=run.project_id
    )
    job.state, job.result, job.finished_at = JobState.SUCCEEDED, result, datetime.now(UTC)
    make.commit()
    return job


def test_the_form_offers_what_fits_the_model(admin, base, runs):
    scores = admin.get(f"{base}/1/evaluations/new").text
    assert 'name="against"' in scores
    assert ">2 · model 2</option>" in " ".join(scores.split())
    assert 'name="judge"' not in scores
    assert 'name="max_new_tokens"' not in scores
    policy = " ".join(admin.get(f"{base}/4/evaluations/new").text.split())
    for expected in ('name="judge"', 'name="reference"', 'name="max_new_tokens"', "What it began with: run-3"):
        assert expected in policy, expected
    assert "Version 3: 800 pairs to train on, 200 held out" in policy
    assert f'href="{base}/4/evaluations/new"' in admin.get(f"{base}/4").text


def test_an_evaluation_on_a_data_set_is_a_job_with_an_audit_line(admin, base, db, runs, dataset, project):
    sent = {"source": "dataset", "dataset": "3", "against": "2", "criterion": "", "seed": "7"}
    answer = admin.post(f"{base}/1/evaluations", data=sent)
    assert answer.status_code == 303
    (job,) = found(db)
    assert answer.headers["location"] == f"{base}/1/evaluations/{job.id}"
    assert (job.queue, job.state, job.project_id) == ("train", JobState.QUEUED, project.id)
    options = job.payload["options"]
    assert (options["dataset"], options["against"], options["seed"]) == (3, 2, 7)
    assert (job.payload["dataset_version_id"], job.payload["upload"]) == (dataset.id, None)
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "evaluation.start")).one()
    assert (event.detail["number"], event.detail["dataset"]) == (1, 3)
    page = admin.get(answer.headers["location"]).text
    assert f"/jobs/{job.id}/card?follow=true" in page
    assert "Evaluation of model 1" in words(admin.get(base).text)
    assert f"{base}/1/evaluations/{job.id}" in admin.get(f"{base}/1").text
    assert f"{base}/1/evaluations/{job.id}" in admin.get(f"/jobs/{job.id}").text


def test_an_uploaded_file_is_kept_for_its_job_and_let_go_two_days_after_it(admin, base, db, runs):
    content = b'{"prompt": "p", "chosen": "a", "rejected": "b"}\n'
    sent = {"source": "file", "dataset": "3", "seed": "0"}
    answer = admin.post(f"{base}/1/evaluations", data=sent, files={"file": ("my\\pairs<b>.jsonl", content)})
    assert answer.status_code == 303
    (job,) = found(db)
    upload = job.payload["upload"]
    assert (upload["filename"], upload["bytes"], job.payload["options"]["dataset"]) == ("pairs<b>.jsonl", 48, None)
    with storage.open_stored(upload["stored"]) as kept:
        assert kept.read() == content
    page = admin.get(answer.headers["location"]).text
    assert "pairs&lt;b&gt;.jsonl" in page
    assert upload["stored"] not in page
    assert upload["stored"] not in admin.get(f"/api/v1{base}/1/evaluations/{job.id}").text

    job.state, job.finished_at = JobState.FAILED, datetime.now(UTC) - timedelta(days=1)
    db.flush()
    assert evaluations.purge_uploads(db) == 0
    job.finished_at = datetime.now(UTC) - timedelta(days=3)
    db.flush()
    assert evaluations.purge_uploads(db) == 1
    with pytest.raises(NotFound):
        storage.open_stored(upload["stored"])
    assert evaluations.purge_uploads(db) == 0


@pytest.mark.parametrize(
    ("number", "sent", "sentence"),
    [
        (1, {"dataset": ""}, "Please choose a frozen version."),
        (1, {"dataset": "9"}, "Please choose a frozen version."),
        (1, {"source": "file"}, "Choose a file first."),
        (1, {"against": "1"}, "Choose another run: a model compared with itself shows nothing."),
        (1, {"against": "4"}, "Run 4 has made no such model."),
        (1, {"seed": "-1"}, "Please give a number from 0 upwards."),
        (4, {"judge": "3"}, "Run 3 has made no such model."),
        (4, {"max_new_tokens": "0"}, "Please give a number from 1 upwards."),
        (5, {"reference": ""}, "Choose another language model."),
    ],
)
def test_what_does_not_fit_is_a_sentence_and_what_was_typed_is_kept(admin, base, db, runs, number, sent, sentence):
    usual = {"source": "dataset", "dataset": "3", "criterion": "polite", "seed": "5"}
    answer = admin.post(f"{base}/{number}/evaluations", data={**usual, **sent})
    assert answer.status_code == 422
    assert sentence in words(answer.text)
    assert 'value="polite"' in answer.text
    assert found(db) == []


def test_an_empty_file_is_refused(admin, base, db, runs):
    answer = admin.post(f"{base}/1/evaluations", data={"source": "file"}, files={"file": ("a.jsonl", b"")})
    assert answer.status_code == 422
    assert "The file is empty." in answer.text
    assert found(db) == []


def test_a_language_model_is_compared_with_what_it_began_with(admin, base, db, runs):
    assert admin.post(f"{base}/4/evaluations", data={"dataset": "3", "judge": "1"}).status_code == 303
    assert admin.post(f"{base}/3/evaluations", data={"dataset": "3"}).status_code == 303
    options = [job.payload["options"] for job in found(db)]
    assert [(each["reference"], each["judge"]) for each in options] == [(3, 1), (None, None)]


def test_a_run_without_a_model_is_not_evaluated(admin, base, db, make, project, dataset):
    make.training_run(project, number=7, dataset=dataset)
    assert admin.post(f"{base}/7/evaluations", data={"dataset": "3"}).status_code == 409
    assert "evaluations/new" not in admin.get(f"{base}/7").text
    assert found(db) == []


def test_the_page_of_a_reward_model_shows_baselines_and_the_other_model(reviewer, base, db, make, runs):
    job = ended(db, make, runs[0], SCORED, against=2)
    said = words(reviewer.get(f"{base}/1/evaluations/{job.id}").text)
    for expected in (
        "Evaluation of model 1",
        "This model 84.3%",
        "Some of these prompts stand in the data that the model was trained on",
        "Beside baselines",
        "Length and formatting",
        "Beside run-2",
        "The other 80.1%",
        "Difference 4.2%",
        "Only this model is right 91",
        "exact p 0.0213",
        "Accuracy by slices",
    ):
        assert expected in said, expected
    assert "How it was made" not in said


def test_sets_of_responses_are_shown_beside_chance(reviewer, base, db, make, runs):
    job = ended(db, make, runs[0], {"model": "run-1", "best_of_4": BEST, "seconds": 1.0})
    page = reviewer.get(f"{base}/1/evaluations/{job.id}").text
    said = words(page)
    assert "All sets 80 61.2% 51.0%–72.0% 25.0%" in said
    assert "Math &lt;b&gt;" in page
    assert "no interval" in said


def test_the_page_of_a_language_model_shows_both_sides_and_samples(reviewer, base, db, make, runs):
    job = ended(db, make, runs[3], WRITTEN, reference=3, judge=1)
    page = reviewer.get(f"{base}/4/evaluations/{job.id}").text
    said = words(page)
    for expected in (
        "Win rate 61.2%",
        "51.0%–71.0%",
        "Win rate at equal length 58.1%",
        "47 wins, 4 ties, 29 losses by the reward of run-3.",
        "Tokens of an answer 12.2 11.0–13.5 12.2 11.0–13.5",
        "75.0%",
        "KL of a token (k1) 0.031",
        "helpful",
        "honest 3 prompts. 95% intervals over prompts. Not enough data",
        "Its own reward on held-out pairs",
        "reward 1.234",
        "reward -0.500",
        "cut",
    ):
        assert expected in said, expected
    assert "<script>alert(1)" not in page
    assert "Why &lt;i&gt;blue&lt;/i&gt;?" in page
    assert page.index("The sea.") < page.index("Air &lt;script&gt;")


def test_at_another_temperature_there_is_no_kl(reviewer, base, db, make, runs):
    job = ended(db, make, runs[3], {**WRITTEN, "temperature": 0.5})
    said = words(reviewer.get(f"{base}/4/evaluations/{job.id}").text)
    assert "Mean log-ratio of a token" in said
    assert "KL of a token" not in said


@pytest.mark.parametrize(
    ("state", "sentence"),
    [(JobState.FAILED, "Row 3 has no rejected."), (JobState.CANCELLED, "This evaluation was cancelled")],
)
def test_one_that_did_not_end_well_says_why(reviewer, base, db, make, runs, state, sentence):
    job = ended(db, make, runs[0], None)
    job.state, job.error = state, "Row 3 has no rejected."
    make.commit()
    assert sentence in words(reviewer.get(f"{base}/1/evaluations/{job.id}").text)


def test_reviewers_read_and_admins_start(reviewer, admin, browse, make, project, base, db, runs):
    job = ended(db, make, runs[0], SCORED)
    other = ended(db, make, runs[1], SCORED)
    assert reviewer.get(f"{base}/1/evaluations/new").status_code == 403
    assert reviewer.post(f"{base}/1/evaluations", data={"dataset": "3"}).status_code == 403
    assert reviewer.post(f"/api/v1{base}/1/evaluations", json={"dataset": 3}).status_code == 403
    assert admin.get(f"{base}/1/evaluations/{other.id}").status_code == 404
    stranger = browse(make.user())
    assert stranger.get(f"{base}/1/evaluations/{job.id}").status_code == 404
    queued = admin.post(f"{base}/1/evaluations", data={"dataset": "3"}).headers["location"]
    page = reviewer.get(queued).text
    assert "Look again" in page
    assert "/jobs/" not in page  # the card of a job is for admins


def test_the_api_starts_lists_and_reads(admin, reviewer, base, db, make, runs):
    asked = admin.post(f"/api/v1{base}/1/evaluations", json={"dataset": 3, "against": 2})
    assert (asked.status_code, asked.json()["state"], asked.json()["run"]) == (202, "queued", 1)
    rows = io.BytesIO(json.dumps({"prompt": "p", "chosen": ["a"], "rejected": ["b", "c", "d"]}).encode())
    kept = admin.post(f"/api/v1{base}/1/evaluations/file", files={"file": ("sets.jsonl", rows)}, data={"options": "{}"})
    assert (kept.status_code, kept.json()["upload"]["filename"]) == (202, "sets.jsonl")
    assert [each["id"] for each in reviewer.get(f"/api/v1{base}/1/evaluations").json()] == [
        kept.json()["id"],
        asked.json()["id"],
    ]
    job = ended(db, make, runs[0], SCORED)
    read = reviewer.get(f"/api/v1{base}/1/evaluations/{job.id}").json()
    assert read["result"]["against"]["mcnemar_p"] == 0.0213


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {}}, 422),
        ({"json": {"dataset": 3, "out": "/etc"}}, 422),
        ({"json": {"dataset": 3, "judge": 1}}, 422),
        ({"json": {"dataset": 9}}, 422),
    ],
)
def test_the_api_refuses(admin, base, db, runs, sent, status):
    assert admin.post(f"/api/v1{base}/1/evaluations", **sent).status_code == status
    assert found(db) == []


def test_the_api_takes_a_file_or_a_data_set_not_both(admin, base, db, runs):
    sent = {"files": {"file": ("a.jsonl", b"{}\n")}}
    for options in ('{"dataset": 3}', '{"seed": "x"}', "no json"):
        answer = admin.post(f"/api/v1{base}/1/evaluations/file", data={"options": options}, **sent)
        assert answer.status_code == 422, options
    assert found(db) == []
