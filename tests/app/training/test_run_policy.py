"""The pages of SFT and DPO runs: what their cards, curves and results say that those of reward models do not."""

import io
import re
from datetime import UTC, datetime

import pytest

from app import storage
from app.models import JobState
from app.training import curves
from app.training.kinds import kinds
from app.training.schemas import Point
from tests.app.training.conftest import DPO_RESULT, RESULT, SFT_RESULT

DPO_STEP = {
    "loss": 0.6543,
    "rewards/chosen": 0.1,
    "rewards/rejected": -0.2,
    "rewards/accuracies": 0.6875,
    "rewards/margins": 0.3011,
    "pairs_per_second": 41.25,
    "num_tokens": 90_123,
    "steps": 120,
    "seconds_left": 120.0,
}
DPO_EVALUATION = {
    "eval_loss": 0.6611,
    "eval_accuracy": 0.7123,
    "eval_accuracy_interval": [0.65, 0.77],
    "mean_margin": 0.1234,
    "n_pairs": 200,
    "n_ties": 0,
}
SFT_STEP = {
    "loss": 2.7182,
    "entropy": 2.5,
    "mean_token_accuracy": 0.4321,
    "rows_per_second": 52.5,
    "tokens_per_second": 10_432.5,
    "num_tokens": 123_456,
    "steps": 120,
    "seconds_left": 60.0,
}
SFT_EVALUATION = {
    "eval_loss": 2.6111,
    "eval_loss_interval": [2.51, 2.71],
    "eval_mean_token_accuracy": 0.45,
    "n_rows": 90,
    "n_clusters": 20,
}
WRITTEN = {
    "sft": (SFT_STEP, SFT_EVALUATION, SFT_RESULT, {"model": "org/small"}),
    "dpo": (DPO_STEP, DPO_EVALUATION, DPO_RESULT, {"model": "run-1", "base_run": 1, "beta": 0.1}),
}


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def run_of(make, project):
    """run_of(algorithm, state) makes run 2 with two steps and an evaluation, and its result where it has ended well."""

    def run(algorithm, state, **changed):
        step, evaluation, result, options = WRITTEN[algorithm]
        values = {"options": options}
        if state == JobState.SUCCEEDED:
            values["result"] = result | changed
        job = {"phase": "training", "progress": 0.5, "attempt": 1, "started_at": datetime.now(UTC)}
        made = make.training_run(project, number=2, algorithm=algorithm, state=state, job=job, **values)
        for at in (10, 20):
            make.measured(made, at, **step)
        make.measured(made, 20, kind="evaluation", **evaluation)
        make.commit()
        return made

    return run


def test_the_card_of_dpo_shows_rewards(reviewer, base, run_of):
    run_of("dpo", JobState.RUNNING)
    page = reviewer.get(f"{base}/2").text
    said = words(page)
    for expected in (
        "Language model trained on preferences (DPO)",
        "from the model of run 1",
        "Step 20 of 120",
        "Training loss 0.654",
        "Chosen ahead 69%",
        "Reward margin 0.301",
        "Pairs a second 41.2",
        "Held-out accuracy so far 71.2%",
        "65.0%–77.0%",
        "n = 200",
    ):
        assert expected in said, expected
    assert f'href="{base}/1"' in page


def test_the_card_of_sft_shows_tokens(reviewer, base, run_of):
    run_of("sft", JobState.RUNNING)
    said = words(reviewer.get(f"{base}/2").text)
    for expected in (
        "Fine-tuned language model (SFT)",
        "Training loss 2.718",
        "Next token right 43%",
        "Answers a second 52.5",
        "Tokens a second 10,432",
        "About 1 minute left",
        "Tokens read 123,456",
        "Held-out loss so far 2.611",
        "2.510–2.710",
        "n = 90",
    ):
        assert expected in said, expected


@pytest.mark.parametrize("algorithm", ["sft", "dpo"])
def test_the_curves_name_what_they_draw_so_that_the_script_knows_no_algorithm(reviewer, base, run_of, algorithm):
    run_of(algorithm, JobState.RUNNING)
    page = reviewer.get(f"{base}/2").text
    figures = kinds()[algorithm].figures
    fields = re.findall(r'data-kind="(\w+)"\s+data-field="([\w/]+)"', page)
    assert fields == [pair for each in figures for pair in (("train", each.field), ("held_out", each.held_out))]
    assert page.count('class="line-chart"') == len(figures)
    step, evaluation, *_rest = WRITTEN[algorithm]
    assert {each.field for each in figures} <= set(step)
    assert {each.held_out for each in figures} <= set(evaluation)
    assert {each.field for each in kinds()[algorithm].stats} <= set(step)


def test_small_margins_are_told_apart_at_the_ends_of_their_axis():
    pictures = {
        name: [Point(step=step, attempt=1, values={"rewards/margins": value}) for step, value in enumerate(values)]
        for name, values in {"small": (0.0012, 0.0017), "large": (0.2, 3.5), "none": (), "one": (0.5,)}.items()
    }
    drawn = {name: curves.pictures(kinds()["dpo"], steps, [])[2].digits for name, steps in pictures.items()}
    assert drawn == {"small": 5, "large": 2, "none": 2, "one": 2}


def test_options_that_are_yes_or_no_are_said_in_words(reviewer, base, make, project):
    options = {"model": "org/a", "gradient_checkpointing": True}
    make.training_run(project, algorithm="sft", options=options)
    assert "Compute layers twice yes" in words(reviewer.get(f"{base}/1").text)


def test_the_table_of_dpo_holds_what_its_pictures_draw(reviewer, base, run_of):
    run_of("dpo", JobState.SUCCEEDED)
    said = words(reviewer.get(f"{base}/2").text)
    assert "Step Training loss Training, chosen ahead Training margin Held-out loss Held-out, chosen ahead" in said
    assert "Step 20 0.6543 68.8% 0.3011 0.6611 71.2% 65.0%–77.0% 0.1234" in said
    assert "Step 10 0.6543 68.8% 0.3011 – – –" in said


def test_the_result_of_dpo_stands_beside_length_alone(reviewer, base, run_of):
    run_of("dpo", JobState.SUCCEEDED)
    page = reviewer.get(f"{base}/2").text
    said = words(page)
    for expected in (
        "implicit reward",
        "This model 80.2%",
        "77.1%–83.3%",
        "Length alone 75.1%",
        "Difference 5.1%",
        "It tells responses apart better than their length alone does.",
        "3 prompts, 17 responses",
        "Accuracy by slices",
    ):
        assert expected in said, expected
    assert f'<a href="{base}/1">run-1</a>' in " ".join(page.split())


def test_the_result_of_sft_is_a_loss_with_its_interval_and_no_accuracy(reviewer, base, run_of):
    run_of("sft", JobState.SUCCEEDED)
    said = words(reviewer.get(f"{base}/2").text)
    for expected in (
        "Held-out loss 2.346",
        "2.210–2.480",
        "n = 311",
        "Perplexity 10.44",
        "Next token right 51.2%",
        "Training answers 1,904",
        "311 on 60 prompts",
        "2 prompts, 9 responses",
        "90 of 120",
    ):
        assert expected in said, expected
    assert "Length alone" not in said
    assert "Calibration" not in said


@pytest.mark.parametrize("algorithm", ["sft", "dpo"])
def test_values_that_could_not_be_computed_still_have_a_page(reviewer, base, run_of, algorithm):
    result = WRITTEN[algorithm][2]
    run_of(algorithm, JobState.SUCCEEDED, **{name: None for name in result if not name.startswith("n_")})
    assert reviewer.get(f"{base}/2").status_code == 200
    assert reviewer.get(base).status_code == 200


def test_too_few_prompts_for_an_interval_and_prompts_in_both_parts_are_said(reviewer, base, run_of):
    run_of("sft", JobState.SUCCEEDED, eval_loss_interval=None, n_shared_clusters=3)
    said = words(reviewer.get(f"{base}/2").text)
    assert "Too few prompts for an interval" in said
    assert "Some prompts stand in both parts" in said
    assert "Too few prompts for an interval" in words(reviewer.get(base).text)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (JobState.QUEUED, "Waiting for a free device"),
        (JobState.FAILED, "No model was made"),
        (JobState.CANCELLED, "This training was cancelled"),
    ],
)
@pytest.mark.parametrize("algorithm", ["sft", "dpo"])
def test_the_other_states_look_as_those_of_any_run(reviewer, base, make, project, state, said, algorithm):
    make.training_run(project, algorithm=algorithm, state=state, job={"error": "The disk is full."})
    assert said in reviewer.get(f"{base}/1").text


def test_asking_the_reference_is_a_phase_with_words(reviewer, base, make, project):
    job = {"phase": "reference", "attempt": 1, "started_at": datetime.now(UTC)}
    make.training_run(project, algorithm="dpo", state=JobState.RUNNING, job=job)
    assert "Asking the model as it was before" in reviewer.get(f"{base}/1").text


def test_the_list_tells_the_kinds_apart_and_gives_each_its_own_figure(reviewer, base, make, project, run_of):
    make.training_run(project, number=1, state=JobState.SUCCEEDED, result=RESULT)
    run_of("dpo", JobState.SUCCEEDED)
    make.training_run(project, number=3, algorithm="sft", state=JobState.SUCCEEDED, result=SFT_RESULT)
    said = words(reviewer.get(base).text)
    for expected in (
        "Reward model scratch",
        "Accuracy 84.3% 81.0%–87.0% n = 1,160",
        "DPO run-1",
        "Accuracy 80.2% 77.1%–83.3%",
        "SFT scratch",
        "Loss 2.346 2.210–2.480 n = 311",
    ):
        assert expected in said, expected
    found = {each["number"]: each for each in reviewer.get(f"/api/v1{base}").json()["items"]}
    assert found[3]["accuracy"] is None
    assert found[3]["held_out_loss"] == {"value": 2.3456, "low": 2.21, "high": 2.48, "n": 311}
    assert (found[1]["held_out_loss"], found[2]["held_out_loss"]) == (None, None)


def test_an_adapters_files_are_downloads_too_and_no_name_leads_out(reviewer, base, make, run_of):
    run = run_of("dpo", JobState.SUCCEEDED)
    kept = {}
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        stored, sha256, size = storage.save_stream("training", io.BytesIO(name.encode()), max_bytes=100)
        kept[name] = {"stored": stored, "sha256": sha256, "bytes": size}
    run.files = kept
    make.commit()
    page = reviewer.get(f"{base}/2").text
    assert f'href="{base}/2/files/adapter/adapter_model.safetensors"' in page
    assert "AutoModelForCausalLM" in page
    assert "AutoModelForSequenceClassification" not in page
    for address in (f"{base}/2/files", f"/api/v1{base}/2/files"):
        answer = reviewer.get(f"{address}/adapter/adapter_model.safetensors")
        assert answer.content == b"adapter/adapter_model.safetensors"
        assert "attachment" in answer.headers["content-disposition"]
        for wrong in ("adapter", "adapter/model.safetensors", "..%2f..%2fmodel.safetensors", "/etc/passwd"):
            assert reviewer.get(f"{address}/{wrong}").status_code == 404


@pytest.mark.parametrize("algorithm", ["sft", "dpo"])
def test_the_page_asks_the_database_no_more_than_that_of_a_reward_model(
    reviewer, base, make, project, run_of, count_statements, algorithm
):
    make.training_run(project, number=1, state=JobState.SUCCEEDED, result=RESULT)
    run_of(algorithm, JobState.SUCCEEDED)
    asked = []
    for number in (1, 1, 2):
        with count_statements() as counted:
            assert reviewer.get(f"{base}/{number}").status_code == 200
        asked.append(len(counted))
    assert asked[1] == asked[2] <= 14
