"""A run's page: its card while it works, its curves, what it has measured, its files, and how it ends."""

import hashlib
import io
import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app import storage
from app.models import AuditEvent, Checkpoint, DeviceSlot, Job, JobState, Role, TrainingLog
from app.training import service
from tests.app.training.conftest import RESULT, SLICES, measured_slice

HTMX = {"HX-Request": "true"}
POLL = 'hx-trigger="every 2s"'
HOSTILE = "<script>alert(1)</script>"
MEASURED = {"eval_loss": 0.5, "eval_accuracy": 0.8, "eval_accuracy_interval": [0.75, 0.85], "n_pairs": 200, "n_ties": 0}


@pytest.fixture
def running(make, project):
    """The second attempt of a run, at work on a GPU."""
    started = {"phase": "training", "progress": 0.4, "attempt": 2, "started_at": datetime.now(UTC)}
    run = make.training_run(project, state=JobState.RUNNING, job=started)
    make.session.add(DeviceSlot(host="worker-1", device="cuda:0", job_id=run.job_id, attempt=2))
    keep_checkpoint(make, run, step=300, attempt=1)
    make.measured(run, 310, attempt=1, loss=0.9)
    make.measured(run, 310, attempt=2, loss=0.4321, accuracy=0.75, steps=500, seconds_left=300.0)
    make.measured(run, 310, attempt=2, kind="evaluation", **MEASURED)
    say(make, run, "Resumed from step 300.")
    make.commit()
    return run


def keep_checkpoint(make, run, *, step, attempt=1, **values):
    stored = f"training/{run.id}/{attempt}/{step}"
    make._add(
        Checkpoint(
            run_id=run.id,
            attempt=attempt,
            step=step,
            stored=stored,
            manifest_sha256="0" * 64,
            bytes=92_000_000,
            **values,
        )
    )


def say(make, run, message, level="info"):
    make._add(TrainingLog(job_id=run.job_id, attempt=1, level=level, message=message))


def keep_files(run, **contents):
    kept = {}
    for name, content in contents.items():
        stored, sha256, size = storage.save_stream("training", io.BytesIO(content), max_bytes=2**20)
        kept[name] = {"stored": stored, "sha256": sha256, "bytes": size}
    run.files = kept


@pytest.fixture
def finished(make, project):
    run = make.training_run(project, state=JobState.SUCCEEDED, job={"progress": 1.0, "attempt": 1}, result=RESULT)
    make.measured(run, 10, loss=0.69)
    make.measured(run, 20, loss=0.52)
    make.measured(run, 20, kind="evaluation", **MEASURED)
    card = b"---\nlicense: mit\n---\n\n# Reward model\n\nMade from **MiniLM**. <script>alert(1)</script>\n"
    keep_files(run, **{"model.safetensors": b"\x00weights", "README.md": card, "config.json": b"{}"})
    make.commit()
    return run


def test_the_card_of_a_running_run_shows_how_far_it_is(reviewer, base, running):
    page = reviewer.get(f"{base}/1").text
    assert POLL in page
    assert f'hx-get="{base}/1/card"' in page
    for said in (
        "Step 310 of 500",
        "About 5 minutes left",
        "0.432",
        "75%",
        "cuda:0 · worker-1",
        "2, resumed from step 300",
        "Resumed from step 300.",
        "Held-out accuracy so far",
        "75.0%–85.0%",
        "n = 200",
    ):
        assert said in page, said
    assert f'data-curves="{base}/1/metrics"' in page
    assert "vendor/uplot/uPlot.iife.min.js" in page


def test_the_card_alone_asks_again_while_the_run_goes_on(reviewer, base, running):
    card = reviewer.get(f"{base}/1/card", headers=HTMX)
    assert card.status_code == 200
    assert POLL in card.text
    assert "<html" not in card.text


def test_a_waiting_run_says_that_it_waits(reviewer, base, make, project):
    make.training_run(project)
    page = reviewer.get(f"{base}/1").text
    assert "Waiting for a free device" in page
    assert POLL in page


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_the_end_stops_the_asking_and_leads_to_the_page(reviewer, base, make, project, state):
    result = RESULT if state == JobState.SUCCEEDED else None
    make.training_run(project, state=state, job={"error": "The disk is full."}, result=result)
    polled = reviewer.get(f"{base}/1/card", headers=HTMX)
    assert (polled.status_code, polled.headers["HX-Redirect"]) == (204, f"{base}/1")
    for address in (f"{base}/1", f"{base}/1/card"):
        page = reviewer.get(address)
        assert page.status_code == 200
        assert "every 2s" not in page.text
        assert "data-curves=" not in page.text


def test_a_failed_run_says_why_what_is_kept_and_what_to_do(admin, reviewer, base, make, project):
    run = make.training_run(project, state=JobState.FAILED, job={"error": f"All p are 0.5 {HOSTILE}"})
    say(make, run, "All p are 0.5", level="error")
    make.commit()
    page = admin.get(f"{base}/1").text
    assert "No model was made" in page
    assert "All p are 0.5 &lt;script&gt;" in page
    assert HOSTILE not in page
    assert "are kept" in page
    assert f'href="{base}/new?like=1"' in page
    assert "run-log-error" in page
    assert f"{base}/new" not in reviewer.get(f"{base}/1").text


def test_a_run_that_is_going_on_can_be_cancelled(admin, reviewer, base, db, running):
    assert f'action="{base}/1/cancel"' in admin.get(f"{base}/1").text
    assert "data-confirm=" in admin.get(f"{base}/1").text
    assert f'action="{base}/1/cancel"' not in reviewer.get(f"{base}/1").text
    answer = admin.post(f"{base}/1/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/1")
    job = db.get(Job, running.job_id, populate_existing=True)
    assert (job.state, job.cancel_requested_at is not None) == (JobState.RUNNING, True)
    page = admin.get(f"{base}/1").text
    assert "Stopping" in page
    assert f'action="{base}/1/cancel"' not in page
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "training.cancel")).one()
    assert (event.target_id, event.detail["number"]) == (str(running.id), 1)


def test_a_waiting_run_is_cancelled_at_once_and_only_once(admin, base, make, project):
    make.training_run(project)
    admin.post(f"{base}/1/cancel")
    assert "This training was cancelled" in admin.get(f"{base}/1").text
    assert admin.post(f"{base}/1/cancel").status_code == 409


def test_names_and_log_lines_are_shown_as_they_are_written(reviewer, base, make, project):
    run = make.training_run(project, name=HOSTILE, options={"model": HOSTILE}, state=JobState.RUNNING)
    say(make, run, f"Read {HOSTILE}")
    keep_checkpoint(make, run, step=10, refused=HOSTILE)
    make.commit()
    for address in (base, f"{base}/1", f"{base}/1/card"):
        page = reviewer.get(address).text
        assert HOSTILE not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_result_stands_beside_length_alone(reviewer, base, finished):
    page = reviewer.get(f"{base}/1").text
    said = " ".join(page.split())
    for expected in (
        "84.3%",
        "81.0%–87.0%",
        "n = 1,160",
        "Length alone",
        "75.1%",
        "72.0%–78.0%",
        "Difference",
        "9.2%",
        "6.1%–12.1%",
        "It tells responses apart better than their length alone does.",
        "63.3%",
        "n = 290",
        "0.043",
        "0.029",
        "396 of 527",
        "13 minutes",
        "all-MiniLM-L6-v2",
    ):
        assert expected in re.sub(r"<[^>]+>", "", said), expected


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"accuracy_gain_interval": [-0.01, 0.03]}, "may only have learnt to count"),
        ({"accuracy_gain_interval": None, "eval_accuracy_interval": None}, "too few prompts among the held-out pairs"),
        ({"n_shared_clusters": 4}, "Some prompts stand in both parts"),
    ],
)
def test_a_weak_result_says_so(reviewer, base, make, project, changed, sentence):
    make.training_run(project, state=JobState.SUCCEEDED, result=RESULT | changed)
    assert sentence in reviewer.get(f"{base}/1").text


def test_without_an_interval_the_reason_stands_in_its_place(reviewer, base, make, project):
    make.training_run(project, state=JobState.SUCCEEDED, result=RESULT | {"eval_accuracy_interval": None})
    assert "Too few prompts for an interval" in reviewer.get(f"{base}/1").text
    assert "Too few prompts for an interval" in reviewer.get(base).text


def test_a_result_with_values_that_could_not_be_computed_still_has_a_page(reviewer, base, make, project):
    nothing = {name: None for name in RESULT if not name.startswith("n_")} | {"base": "scratch"}
    make.training_run(project, state=JobState.SUCCEEDED, result=RESULT | nothing)
    assert reviewer.get(f"{base}/1").status_code == 200
    assert reviewer.get(base).status_code == 200


def test_the_model_card_is_shown_as_safe_markdown_without_its_front_matter(reviewer, base, finished):
    page = reviewer.get(f"{base}/1").text
    assert "<strong>MiniLM</strong>" in page
    assert "license: mit" not in page
    assert HOSTILE not in page


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_calibration_is_a_diagram_with_its_table_behind_it(reviewer, base, finished):
    page = reviewer.get(f"{base}/1").text
    assert page.count('class="reliability-point"') == 4
    assert page.count('class="reliability-span"') == 3  # one bin is too small for an interval
    said = words(page)
    assert "50%–55% 300 52.6% 54.1% 47.0%–60.0%" in said
    assert "75%–80% 8 77.1% 50.0% no interval" in said


def test_baselines_and_the_noise_ceiling_stand_in_one_table_with_the_model(reviewer, base, finished):
    said = words(reviewer.get(f"{base}/1").text)
    for expected in (
        "Beside baselines",
        "the same 1,160 held-out pairs",
        "This model 84.3% 81.0%–87.0% – 0.421",
        "Length, fitted How much longer, by a logistic regression. 75.1% 72.1%–78.1% 9.2% 6.2%–12.2% 0.561",
        "70.4% 67.4%–73.4% 13.9% 10.9%–16.9% 0.601",
        "Agreement with a single vote 70.2%",
        "Noise ceiling, a single vote 80.2%",
        "majority’s side 91.2%",
        "the same side in 73.1%",
        "Temperature 1.21",
        "goes from 0.431 to 0.412",
    ):
        assert expected in said, expected


def test_without_fitted_baselines_there_is_no_such_table(reviewer, base, make, project):
    make.training_run(project, number=2, state=JobState.SUCCEEDED, result=RESULT | {"baselines": None})
    make.commit()
    assert "Beside baselines" not in reviewer.get(f"{base}/2").text


def test_slices_stand_beside_length_alone_with_intervals_and_numbers_of_pairs(reviewer, base, finished):
    said = words(reviewer.get(f"{base}/1").text)
    assert "Strength Strength Pairs This model Length alone Difference" in said
    assert "1 640 77.1% 72.1%–81.1% 71.2% 66.2%–75.2% 5.9% 0.9%–9.9%" in said
    assert "1–1.12 290 66.0%" in said
    assert "Not given 12 Not enough data – –" in said
    assert "3 smaller slices are not shown." in said


def test_kinds_of_slices_that_are_all_too_small_are_one_line(reviewer, base, make, project):
    rows = [measured_slice(name, 3) for name in ("ar", "de", "fr")]
    slices = [*SLICES[:1], {"by": "language", "n_left_out": 0, "rows": rows}]
    make.training_run(project, state=JobState.SUCCEEDED, result=RESULT | {"slices": slices})
    said = words(reviewer.get(f"{base}/1").text)
    assert "Too few pairs in each slice to measure by: Language" in said
    assert "Not enough data" not in said


def test_names_of_slices_are_shown_as_they_are_written(reviewer, base, make, project):
    slices = [{"by": "domain", "n_left_out": 0, "rows": [measured_slice(HOSTILE, 40, 0.7, 0.6, 0.1)]}]
    make.training_run(project, state=JobState.SUCCEEDED, result=RESULT | {"slices": slices})
    page = reviewer.get(f"{base}/1").text
    assert HOSTILE not in page
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in page


def test_a_result_from_before_there_were_slices_has_its_page(reviewer, base, make, project):
    older = {name: value for name, value in RESULT.items() if name not in ("reliability", "slices")}
    make.training_run(project, state=JobState.SUCCEEDED, result=older)
    page = reviewer.get(f"{base}/1")
    assert page.status_code == 200
    assert "Accuracy by slices" not in page.text
    assert 'class="reliability"' not in page.text


def test_the_api_gives_the_slices_as_they_were_measured(reviewer, base, finished):
    assert reviewer.get(f"/api/v1{base}/1").json()["result"]["slices"] == SLICES


def test_a_finished_run_asks_the_database_the_same_however_much_it_measured(
    reviewer, base, make, project, count_statements
):
    rows = [measured_slice(f"domain {n}", 40, 0.7, 0.6, 0.1) for n in range(20)]
    many = RESULT | {"slices": [{"by": "domain", "rows": rows, "n_left_out": 0}]}
    make.training_run(project, number=1, state=JobState.SUCCEEDED, result=RESULT | {"slices": []})
    make.training_run(project, number=2, state=JobState.SUCCEEDED, result=many)
    asked = []
    for number in (1, 1, 2):
        with count_statements() as counted:
            assert reviewer.get(f"{base}/{number}").status_code == 200
        asked.append(len(counted))
    assert asked[1] == asked[2] <= 14


def test_the_whole_log_is_a_text_to_keep(reviewer, base, make, project, monkeypatch, count_statements):
    monkeypatch.setattr(service, "LOG_PIECE", 3)
    run = make.training_run(project, state=JobState.FAILED)
    for number in range(7):
        say(make, run, f"line {number} {HOSTILE}")
    say(make, run, "Traceback:\nRuntimeError", level="error")
    other = make.training_run(project, number=2)
    say(make, other, "of another run")
    make.commit()
    assert f'href="{base}/1/log"' in reviewer.get(f"{base}/1").text
    for address in (f"{base}/1/log", f"/api/v1{base}/1/log"):
        with count_statements() as counted:
            answer = reviewer.get(address)
        assert sum("FROM training_log" in each for each in counted) == 3
        assert answer.headers["content-disposition"] == 'attachment; filename="run-1.log.txt"'
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        lines = answer.text.splitlines()
        assert [line.split(" ", 1)[1] for line in lines[:7]] == [
            f"attempt 1 info: line {number} {HOSTILE}" for number in range(7)
        ]
        assert lines[7].endswith("attempt 1 error: Traceback:")
        assert lines[8:] == ["    RuntimeError"]
        datetime.fromisoformat(lines[0].split(" ")[0])


def test_a_run_that_has_said_nothing_has_an_empty_log(reviewer, base, make, project):
    make.training_run(project)
    assert reviewer.get(f"{base}/1/log").text == ""


def test_files_are_downloads_never_pages(reviewer, base, finished):
    page = reviewer.get(f"{base}/1").text
    assert hashlib.sha256(b"\x00weights").hexdigest() in page
    assert f'href="{base}/1/files/model.safetensors"' in page
    for address in (f"{base}/1/files", f"/api/v1{base}/1/files"):
        answer = reviewer.get(f"{address}/model.safetensors")
        assert answer.content == b"\x00weights"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''model.safetensors"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-length"] == "8"
        assert reviewer.get(f"{address}/no-such-file").status_code == 404


def test_a_file_that_is_gone_is_404_and_the_page_goes_on(reviewer, base, finished):
    for file in finished.files.values():
        storage.delete_stored(file["stored"])
    assert reviewer.get(f"{base}/1/files/config.json").status_code == 404
    page = reviewer.get(f"{base}/1")
    assert page.status_code == 200
    assert "Model card" not in page.text


def test_without_a_script_the_curves_are_a_picture_and_a_table(reviewer, base, finished):
    page = reviewer.get(f"{base}/1").text
    assert page.count('class="line-chart"') == 2
    assert "The same as a table" in page
    assert "0.5200" in page
    assert "<script" not in page.partition("<body")[2]
    assert "style=" not in page


def test_checkpoints_say_what_became_of_them(reviewer, base, make, project):
    run = make.training_run(project, state=JobState.RUNNING)
    keep_checkpoint(make, run, step=100, refused="model.safetensors has another hash")
    keep_checkpoint(make, run, step=200, removed_at=datetime.now(UTC))
    keep_checkpoint(make, run, step=300)
    make.commit()
    page = reviewer.get(f"{base}/1").text
    for said in ("has another hash", "Let go", "Kept and verified", "92.0 MB"):
        assert said in page


def points(client, address, after=0):
    return client.get(address, params={"after": after}).json()


def test_metrics_come_after_a_step_and_of_the_highest_attempt(reviewer, base, make, project):
    run = make.training_run(project, state=JobState.RUNNING)
    for step in (10, 20, 30):
        make.measured(run, step, loss=step / 100)
    make.measured(run, 20, attempt=2, loss=0.77)
    make.measured(run, 20, kind="evaluation", eval_accuracy=0.6)
    make.measured(run, 20, kind="evaluation", attempt=2, eval_accuracy=0.7)
    make.commit()
    for address in (f"{base}/1/metrics", f"/api/v1{base}/1/metrics"):
        found = points(reviewer, address)
        assert [(each["step"], each["attempt"], each["values"]["loss"]) for each in found["steps"]] == [
            (10, 1, 0.1),
            (20, 2, 0.77),
            (30, 1, 0.3),
        ]
        assert [(each["step"], each["values"]["eval_accuracy"]) for each in found["evaluations"]] == [(20, 0.7)]
        assert (found["last_step"], found["is_active"], found["state"]) == (30, True, "running")
        assert [each["step"] for each in points(reviewer, address, after=20)["steps"]] == [30]
        ended = points(reviewer, address, after=30)
        assert (ended["steps"], ended["evaluations"], ended["last_step"]) == ([], [], 30)


def test_an_evaluation_that_ends_after_its_step_was_seen_is_not_missed(reviewer, base, make, project):
    run = make.training_run(project, state=JobState.RUNNING)
    make.measured(run, 10)
    make.commit()
    assert points(reviewer, f"{base}/1/metrics")["last_step"] == 10
    make.measured(run, 10, kind="evaluation", eval_accuracy=0.7)
    make.commit()
    assert [each["step"] for each in points(reviewer, f"{base}/1/metrics", after=10)["evaluations"]] == [10]


def test_long_curves_come_in_pieces_without_gaps(reviewer, base, make, project, monkeypatch):
    monkeypatch.setattr(service, "POINTS", 4)
    run = make.training_run(project, state=JobState.SUCCEEDED)
    for step in range(10, 110, 10):
        make.measured(run, step)
    for step in (30, 60, 100):
        make.measured(run, step, kind="evaluation", eval_accuracy=0.5)
    make.commit()
    steps, evaluations, after = [], set(), 0
    for _piece in range(10):
        found = points(reviewer, f"{base}/1/metrics", after=after)
        steps += [each["step"] for each in found["steps"]]
        evaluations |= {each["step"] for each in found["evaluations"]}
        after = found["last_step"]
        if not found["has_more"]:
            break
    assert steps == list(range(10, 110, 10))
    assert evaluations == {30, 60, 100}


def test_a_long_run_is_drawn_with_few_points_the_last_among_them(make, project, db, monkeypatch):
    monkeypatch.setattr(service, "DRAWN", 10)
    run = make.training_run(project, state=JobState.SUCCEEDED)
    for step in range(1, 96):
        make.measured(run, step)
    steps, evaluations = service.drawn_curves(db, run)
    assert len(steps) <= 10
    assert steps[-1].step == 95
    assert evaluations == []


def test_the_list_shows_runs_and_the_queue_without_telling_of_other_projects(reviewer, base, make, project):
    other = make.project()
    make.training_run(other, number=1, state=JobState.RUNNING, name="Secret of theirs")
    make.training_run(project, number=1, state=JobState.SUCCEEDED, result=RESULT, name="Ours, done")
    make.training_run(other, number=2, name="Another secret")
    make.training_run(project, number=2, name="Ours, waiting")
    page = reviewer.get(base).text
    assert "84.3%" in page
    assert "n = 1,160" in page
    assert "Place 2 in the queue" in page
    assert page.count("A run of another project") == 2
    assert "ecret" not in page
    queued = reviewer.get(f"/api/v1{base}/queue").json()
    assert [(each["run"], each["name"], each["position"]) for each in queued] == [
        (None, None, None),
        (None, None, 1),
        (2, "Ours, waiting", 2),
    ]


def test_the_list_asks_the_database_the_same_for_one_run_and_for_many(reviewer, base, make, project, count_statements):
    dataset = make.dataset(project)

    def asked() -> int:
        with count_statements() as counted:
            assert reviewer.get(base).status_code == 200
        return len(counted)

    make.training_run(project, number=1, dataset=dataset)
    asked()
    one = asked()
    for number in range(2, 22):
        make.training_run(project, number=number, dataset=dataset)
    assert asked() == one
    assert one <= 12


def test_a_long_list_goes_on_over_pages(reviewer, base, make, project, monkeypatch):
    monkeypatch.setattr(service, "PAGE", 3)
    dataset = make.dataset(project)
    for number in range(1, 8):
        make.training_run(project, number=number, dataset=dataset, state=JobState.FAILED)
    seen, cursor = [], ""
    while cursor is not None:
        found = reviewer.get(f"/api/v1{base}", params={"cursor": cursor} if cursor else {}).json()
        seen += [each["number"] for each in found["items"]]
        cursor = found["next_cursor"]
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert f'href="{base}?cursor=5"' in reviewer.get(base).text


def test_annotators_and_strangers_see_nothing_and_reviewers_change_nothing(browse, make, project, base, running):
    annotator, stranger = browse(make.member(project, Role.ANNOTATOR)), browse(make.user())
    reviewer = browse(make.member(project, Role.REVIEWER))
    for address in (
        base,
        f"{base}/1",
        f"{base}/1/metrics",
        f"{base}/1/log",
        f"/api/v1{base}/1",
        f"/api/v1{base}/1/log",
    ):
        assert annotator.get(address).status_code == 403
        assert stranger.get(address).status_code == 404
        assert reviewer.get(address).status_code == 200
    for address in (base, f"{base}/1/cancel", f"/api/v1{base}/1/cancel"):
        assert reviewer.post(address).status_code == 403
    assert f"{base}" in reviewer.get(f"/projects/{project.id}").text
    assert f'href="{base}"' not in annotator.get(f"/projects/{project.id}").text


def test_the_list_of_jobs_leads_to_the_run(admin, base, project, running):
    assert f'href="{base}/1"' in admin.get(f"/projects/{project.id}/jobs").text


def test_the_api_gives_the_run_with_its_job(reviewer, base, running):
    found = reviewer.get(f"/api/v1{base}/1").json()
    assert found["job"]["state"] == "running"
    assert (found["attempt"], found["resumed_from"], found["device"]) == (2, 300, "cuda:0 · worker-1")
    assert found["last_step"]["values"]["loss"] == 0.4321
    assert [each["step"] for each in found["checkpoints"]] == [300]


def test_the_api_cancels(admin, base, make, project):
    make.training_run(project)
    assert admin.post(f"/api/v1{base}/1/cancel").json()["state"] == "cancelled"
    assert admin.post(f"/api/v1{base}/1/cancel").status_code == 409
