"""Two policies compared from end to end, on tiny models: the figures, the table, the last line, and what is refused."""

import json

import numpy as np
import pytest
import torch

from tests.workers.training import tiny
from workers.training import causal
from workers.training.evaluation.answers import Compared, compare, samples
from workers.training.evaluation.policies import main
from workers.training.generation import Answer, Sequence
from workers.training.prompts import AskedPrompt

SETS = ["helpful"] * 40 + ["harmless"] * 35 + ["honest"] * 3 + [None] * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reference, a policy with other weights, a reward model, prompts in three sets, and pairs."""
    folder = tmp_path_factory.mktemp("policies")
    tiny.causal(folder / "reference", template=True, padding="own")
    made = causal.load(str(folder / "reference"), texts=(), max_length=64, dropout=0.0, lora=None)
    made.model.generation_config.repetition_penalty = 3.0
    made.save(folder / "reference")
    with torch.no_grad():
        for value in made.model.parameters():
            value.mul_(2)
    made.save(folder / "policy")
    made.tokenizer.chat_template = made.tokenizer.chat_template.replace("assistant", "user")
    made.save(folder / "other_template")
    scorer = tiny.loaded(tiny.bert(folder / "base"))
    torch.nn.init.normal_(scorer.model.classifier.weight)
    scorer.save(folder / "reward_model")
    tied = tiny.loaded(folder / "reference")
    tied.save(folder / "causal_reward_model")
    rows = tiny.rows(len(SETS))
    for number, name in enumerate(SETS):
        rows[number] |= {"prompt_cluster": str(number // 2)} | ({} if name is None else {"set": name})
    tiny.write(folder / "rows.jsonl", rows)
    tiny.write(folder / "empty.jsonl", [{"prompt": " "}])
    tiny.write(folder / "long.jsonl", [{"prompt": "school " * 80}])
    (folder / "none.jsonl").write_text("\n")
    return folder


@pytest.fixture
def run(folder, capsys):
    """run(**options) -> (exit code, all lines, the last one as JSON); files are named within the folder."""

    def running(**options):
        usual = {"policy": "policy", "reference": "reference", "prompts": "rows.jsonl", "max_new_tokens": 8}
        words = ["--max-length", "48", "--reward-max-length", "48", "--threads", "1"]
        for name, value in {**usual, **options}.items():
            words += ["--" + name.replace("_", "-"), str(folder / value if (folder / str(value)).exists() else value)]
        code = main(words)
        lines = capsys.readouterr().out.splitlines()
        return code, lines, json.loads(lines[-1])

    return running


def test_all_parts_are_measured_shown_and_written(run, folder):
    code, lines, last = run(
        reward_model="reward_model", pairs="rows.jsonl", samples=80, beta=0.2, out=folder / "result.json"
    )
    assert code == 0
    assert last.pop("event") == "result"
    assert json.loads((folder / "result.json").read_text()) == last
    total, shown = last["total"], last["samples"]
    assert (total["n"], total["n_clusters"], len(shown)) == (80, 40, 80)
    wins = [np.sign(each["policy_reward"] - each["reference_reward"]) / 2 + 0.5 for each in shown]
    assert total["win_rate"] == pytest.approx(np.mean(wins), abs=1e-6)
    assert total["n_wins"] + total["n_ties"] + total["n_losses"] == 80
    assert total["win_rate_interval"][0] < total["win_rate"] < total["win_rate_interval"][1]
    assert 0 < total["length_controlled_win_rate"] < 1
    assert total["policy_characters"] == pytest.approx(np.mean([len(each["policy"]) for each in shown]), abs=1e-6)
    assert total["policy_ended"] == pytest.approx(np.mean([each["policy_ended"] for each in shown]), abs=1e-6)
    assert total["kl_k3_per_answer"] > total["kl_k3_per_token"] > 0
    assert [(each["name"], each["n"], "win_rate" in each) for each in last["sets"]] == [
        ("harmless", 35, True),
        ("helpful", 40, True),
        ("honest", 3, False),
    ]
    implicit = last["implicit_reward"]
    assert (implicit["n_pairs"], implicit["beta"]) == (80, 0.2)
    assert [each["name"] for each in implicit["sets"]] == ["harmless", "helpful", "honest"]
    said = "\n".join(lines[:-1])
    for title in (
        "All prompts: 80",
        "Set honest: 3 prompts, not enough",
        "at equal length",
        "Implicit reward",
        "Row 80",
    ):
        assert title in said, title


def test_a_policy_that_is_its_reference_has_not_moved(run):
    last = run(policy="reference", reward_model="reward_model", pairs="rows.jsonl", temperature=0)[2]
    total = last["total"]
    assert (total["n_ties"], total["win_rate"], total["length_controlled_win_rate"]) == (80, 0.5, 0.5)
    assert (total["kl_k1_per_token"], total["kl_k3_per_answer"], total["characters_gain"]) == (0, 0, 0)
    assert last["implicit_reward"]["eval_accuracy"] == 0.5


def test_without_a_reward_model_there_are_no_win_rates(run):
    code, lines, last = run(temperature=0.7)
    assert code == 0
    assert (last["total"]["win_rate"], last["total"]["win_rate_interval"]) == (None, None)
    assert last["implicit_reward"] is None
    assert len(last["samples"]) == 10
    said = "\n".join(lines)
    assert "win rate" not in said.split('{"event": "result"')[0]
    assert "no KL at this temperature" in said


def test_answers_and_figures_do_not_change_with_the_batch(run):
    one, all_at_once = (run(batch_size=size, samples=80)[2] for size in (1, 80))
    assert one["samples"] == all_at_once["samples"]
    assert one["total"]["kl_k3_per_token"] == pytest.approx(all_at_once["total"]["kl_k3_per_token"], rel=1e-3)


def test_in_lower_precision_a_policy_still_equals_itself(run):
    code, _lines, last = run(policy="reference", pairs="rows.jsonl", precision="bf16")
    assert code == 0
    assert (last["total"]["kl_k3_per_answer"], last["implicit_reward"]["eval_accuracy"]) == (0, 0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompts": "absent.jsonl"}, "could not be read"),
        ({"prompts": "none.jsonl"}, "has no rows"),
        ({"prompts": "empty.jsonl"}, "has an empty prompt"),
        ({"prompts": "long.jsonl"}, "are kept for the answer"),
        ({"policy": "scratch"}, "Give a trained one"),
        ({"policy": "no/such/folder"}, "no name of a model on the hub"),
        ({"policy": "reward_model"}, "is a reward model, which writes nothing"),
        ({"policy": "causal_reward_model"}, "is a reward model, which writes nothing"),
        ({"reward_model": "policy"}, "has no head that gives scores"),
        ({"reference": "other_template"}, "read prompts as different tokens"),
        ({"beta": 0}, "--beta must be above 0"),
        ({"samples": -1}, "--samples and --max-prompts must be 0 or more"),
        ({"max_new_tokens": 0}, "--max-new-tokens and --batch-size"),
        ({"out": "no/such/folder/x.json"}, "There is no folder for"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(run, options, sentence):
    code, _lines, last = run(**options)
    assert code == 65
    assert last["event"] == "failed"
    assert sentence in last["message"]


def written(*ids, ended=True):
    return Answer(Sequence((1, *ids, *([2] if ended else [])), 1), "a" * len(ids), ended)


def made(n):
    prompts = [AskedPrompt(row, f"p{row}", "", str(row)) for row in range(n)]
    policy = [written(5, 6, 5, 6, 5, 6, ended=False)] * n
    return Compared(prompts, policy, [written(7)] * n, np.full(n, 3.0), np.full(n, 1.5), np.array([[1.0, 0.0]] * n))


def test_figures_by_hand():
    total = compare(made(6))["total"]
    assert (total["win_rate"], total["reward_gain"], total["n_wins"]) == (1, 1, 6)
    assert (total["policy_tokens"], total["reference_tokens"], total["characters_gain"]) == (6, 1, 5)
    assert (total["policy_ended"], total["reference_ended"]) == (0, 1)
    assert total["policy_repeated_4_grams"] == pytest.approx(1 / 3, abs=1e-6)  # 5656 6565 5656
    assert total["policy_distinct_2_grams"] == pytest.approx(2 / 30, abs=1e-6)
    assert total["reference_distinct_2_grams"] is None
    assert (total["kl_k1_per_answer"], total["kl_k1_per_token"], total["kl_k3_per_token"]) == (3, 0.5, 0.25)
    assert total["win_rate_interval"] is None  # all resamples give one value


def test_samples_are_chosen_by_seed_and_never_by_reward():
    found = made(50)
    rows = [each["row"] for each in samples(found, 5, seed=1)]
    found.rewards[:] = np.arange(100).reshape(50, 2)
    assert rows == [each["row"] for each in samples(found, 5, seed=1)] == sorted(rows)
    assert rows != [each["row"] for each in samples(found, 5, seed=2)]
    assert len(samples(found, 99)) == 50
