"""The whole run, on models small enough to train in a second."""

import dataclasses
import json
import random

import pytest
import torch
import transformers

from tests.workers.algorithms.runs import OPTIONS, assert_parts_make_the_whole, notices, steps
from tests.workers.training import tiny
from workers.algorithms import sft
from workers.algorithms.sft import Config, completion_loss, train
from workers.training import scratch
from workers.training.errors import BadInput, Diverged

pytestmark = pytest.mark.training
N, BATCH = 54, 10  # six steps an epoch, the last one of four rows


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(scratch, "WIDTH", 32)
    monkeypatch.setattr(scratch, "CAUSAL_LAYERS", 2)
    torch.set_num_threads(1)


def rows(n, *, seed):
    """Demonstrations of every length that answer in good words."""
    rng = random.Random(seed)
    return [
        {
            "prompt": " ".join(rng.choices(tiny.FILL, k=rng.randint(1, 8))),
            "completion": " ".join(rng.choices(tiny.GOOD, k=rng.randint(1, 20))),
            "prompt_cluster": f"{seed}-{n % 7}",
        }
        for n in range(n)
    ]


@pytest.fixture
def config(tmp_path):
    return Config(
        data=tiny.write(tmp_path / "train.jsonl", rows(N, seed=1)),
        eval_data=tiny.write(tmp_path / "eval.jsonl", rows(30, seed=2)),
        out=tmp_path / "out",
        batch_size=BATCH,
        learning_rate=1e-2,
        max_length=96,
        **OPTIONS,
    )


def test_the_loss_is_a_weighted_mean_over_the_tokens_of_the_batch():
    # Two of three rows of a batch of 12 tokens: -(1 * -4 + 2 * -3) / 12
    assert float(completion_loss(torch.tensor([-4.0, -3.0]), torch.tensor([1.0, 2.0]), 12)) == pytest.approx(10 / 12)


def test_it_lowers_the_held_out_loss_and_plain_transformers_agrees_with_it(config):
    events = []
    metrics = train(config, events.append)
    measured = [event["eval_loss"] for event in events if event["event"] == "evaluation"]
    assert metrics["eval_loss"] == pytest.approx(min(measured), abs=1e-6)
    assert min(measured) < measured[0] - 0.5
    assert {
        name for name in (*sft.NAMES, "grad_norm", "num_tokens", "tokens_per_second") if name not in steps(events)[0]
    } == set()
    assert metrics["eval_loss_interval"][0] < metrics["eval_loss"] < metrics["eval_loss_interval"][1]

    model = transformers.AutoModelForCausalLM.from_pretrained(config.out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.out)
    lost, n = 0.0, 0
    for row in rows(30, seed=2):
        asked = [{"role": "user", "content": row["prompt"]}]
        before = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
        answer = tokenizer(row["completion"])["input_ids"] + [tokenizer.eos_token_id]
        labels = torch.tensor([[-100] * len(before) + answer])
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([before + answer]), labels=labels).loss
        lost, n = lost + float(loss) * len(answer), n + len(answer)
    assert metrics["eval_loss"] == pytest.approx(lost / n, rel=1e-4)
    assert metrics["n_tokens"] == n


def trace(config, out, **change):
    events = []
    train(dataclasses.replace(config, out=out, **change), events.append)
    return torch.tensor([(event["loss"], event["grad_norm"]) for event in steps(events)])


def test_packed_is_padded_in_loss_and_gradient(config, tmp_path):
    padded, packed = (trace(config, tmp_path / layout, layout=layout) for layout in ("padded", "packed"))
    torch.testing.assert_close(packed, padded, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(packed[0], padded[0], atol=1e-5, rtol=1e-5)


def test_a_batch_in_parts_is_the_same_batch_though_its_parts_differ_in_tokens(config, tmp_path):
    """The mean of the parts' means would weigh a token of a short part more."""
    whole, parts = (trace(config, tmp_path / str(n), accumulation=n) for n in (1, 4))
    torch.testing.assert_close(parts, whole, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(parts[0], whole[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_run_that_was_stopped_again_and_again_ends_bit_equal(config, tmp_path, dropout):
    config = dataclasses.replace(config, dropout=dropout)
    assert_parts_make_the_whole(train, config, tmp_path, stops=(0, 5, 6, 7, 9, 60))


def test_messages_end_with_the_answer_that_is_learnt(config):
    def messages(row):
        turns = [("user", "about school"), ("assistant", "sound"), ("user", row["prompt"])]
        said = [{"role": role, "content": content} for role, content in turns]
        return {"messages": [*said, {"role": "assistant", "content": row["completion"]}]}

    tiny.write(config.data, [messages(row) for row in rows(N, seed=1)])
    tiny.write(config.eval_data, [messages(row) for row in rows(30, seed=2)])
    metrics = train(dataclasses.replace(config, epochs=1))
    alone = sum(len(row["completion"].split()) for row in rows(30, seed=2))
    assert metrics["n_tokens"] < 12 * alone  # the earlier answers are not counted


def test_chosen_answers_of_pairs_are_learnt_once_and_ties_left_out(config):
    pairs = tiny.rows(N, seed=1)
    pairs[0]["p"] = 0.2  # the other side is the better one
    repeated = next(row for row in pairs if row["p"] > 0.5)
    tiny.write(config.data, [*pairs, {**repeated, "rejected": "something else"}])
    tiny.write(config.eval_data, tiny.rows(30, seed=2))
    events = []
    metrics = train(dataclasses.replace(config, answers="chosen", epochs=1), events.append)
    assert metrics["n_train_rows"] == sum(row["p"] != 0.5 for row in pairs)
    assert "ties are left out" in notices(events)
    assert "1 pairs repeat a chosen answer" in notices(events)


def test_an_adapter_learns(config, tmp_path):
    base = tiny.causal(tmp_path / "base", template=True)
    events = []
    adapted = dataclasses.replace(config, model=str(base), lora_rank=4, learning_rate=3e-2, max_length=64)
    train(adapted, events.append)
    measured = [event["eval_loss"] for event in events if event["event"] == "evaluation"]
    assert min(measured) < measured[0]
    assert (config.out / "adapter" / "adapter_model.safetensors").exists()


def test_numbers_that_are_none_promote_nothing(config):
    with pytest.raises(Diverged, match="Nothing was promoted"):
        train(dataclasses.replace(config, learning_rate=1e36, warmup=0.0, max_grad_norm=1e30))
    assert not (config.out / "manifest.json").exists()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "p"}, "Row 1 of .* has no completion"),
        ({"prompt": "p", "completion": " "}, "has an empty completion"),
        ({"completion": "c"}, "has no prompt"),
        ({"messages": [{"role": "user", "content": "p"}]}, "do not end with an answer of the assistant"),
        ({"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": ""}]}, "an empty answer"),
        ({"messages": "hello"}, "neither text nor a list of messages"),
        ({"prompt": "p", "completion": "c", "weight": -1}, "has a weight of -1, outside 0"),
        ({"prompt": "p", "completion": "c", "weight": 0}, "no row with a weight above 0"),
    ],
)
def test_rows_that_cannot_be_are_a_sentence(config, row, sentence):
    tiny.write(config.data, [row])
    with pytest.raises(BadInput, match=sentence):
        train(config)


def test_fewer_rows_than_a_batch_and_pairs_without_a_side_are_sentences(config):
    with pytest.raises(BadInput, match="fewer than one batch of 500"):
        train(dataclasses.replace(config, batch_size=500))
    tiny.write(config.data, [{**row, "p": 0.5} for row in tiny.rows(N, seed=1)])
    with pytest.raises(BadInput, match="there is no chosen answer"):
        train(dataclasses.replace(config, answers="chosen"))


def test_the_command_ends_with_one_object_of_metrics(config, capsys):
    arguments = ["--data", config.data, "--eval-data", config.eval_data, "--model", "scratch", "--out", config.out]
    assert sft.main([*map(str, arguments), "--batch-size", "10", "--max-length", "96", "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "result"
    assert {"eval_loss", "eval_perplexity", "n_tokens"} <= lines[-1].keys()
