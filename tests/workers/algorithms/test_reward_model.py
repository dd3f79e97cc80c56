"""The whole run, on a model from scratch that is small enough to train in a second."""

import dataclasses
import json
import math
import re
import resource

import peft
import pytest
import torch
import transformers

from tests.workers.algorithms.runs import OPTIONS, Stop, assert_parts_make_the_whole, assert_same, weights
from tests.workers.training import tiny
from workers.algorithms import reward_model
from workers.algorithms.reward_model import Config, train
from workers.training import encoding, scratch
from workers.training.errors import BadInput, Diverged, HandedBack, OutOfSpace

N, BATCH = 54, 10  # six steps an epoch, the last one of four pairs


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Half the width of the shipped one: these tests are about the run, not about the model."""
    monkeypatch.setattr(scratch, "WIDTH", 32)
    torch.set_num_threads(1)


@pytest.fixture
def config(tmp_path):
    return Config(
        data=tiny.write(tmp_path / "train.jsonl", tiny.rows(N, seed=1)),
        eval_data=tiny.write(tmp_path / "eval.jsonl", tiny.rows(30, seed=2)),
        out=tmp_path / "out",
        batch_size=BATCH,
        learning_rate=3e-3,
        max_length=48,
        **OPTIONS,
    )


def test_it_learns_what_the_length_does_not_say_and_plain_transformers_loads_it(config, tmp_path):
    events = []
    lineage = tmp_path / "lineage.json"
    lineage.write_text(json.dumps({"snapshot": "abc123", "licence": "cc-by-4.0"}))
    metrics = train(dataclasses.replace(config, lineage=lineage), events.append)
    assert metrics["eval_accuracy"] > metrics["length_only_accuracy"] + 0.2
    assert metrics["steps"] == 12
    assert metrics["eval_loss"] < 0.693
    assert {"step", "evaluation", "checkpoint", "phase"} <= {event["event"] for event in events}
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == list(range(1, 13))
    assert all(event["seconds_left"] is not None for event in steps)

    model = transformers.AutoModelForSequenceClassification.from_pretrained(config.out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.out)
    assert model.config.num_labels == 1
    rows = tiny.rows(30, seed=2)
    deltas = []
    for row in rows:
        batch = tokenizer(
            [row["prompt"]] * 2,
            [row["chosen"], row["rejected"]],
            split_special_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            chosen, rejected = model(**batch).logits[:, 0].tolist()
        deltas.append(chosen - rejected)
    right = [delta > 0 for delta, row in zip(deltas, rows, strict=True) if row["p"] != 0.5]
    assert sum(right) / len(right) == pytest.approx(metrics["eval_accuracy"], abs=1e-6)

    card = (config.out / "README.md").read_text()
    assert "| snapshot | abc123 |" in card
    assert 'license: "cc-by-4.0"' in card
    assert "eval_accuracy_interval" in card
    assert "### Reliability" in card
    assert "### Beside baselines" in card
    assert list(metrics["baselines"]) == ["length", "surface", "words"]
    assert metrics["baselines"]["words"]["accuracy"] > metrics["length_only_accuracy"]  # the words decide here
    assert metrics["temperature"]["n_fitted"] + metrics["temperature"]["n_measured"] == metrics["n_pairs"]
    assert not any("reliability" in event for event in events)  # curves are polled: only the result has the details
    assert not (config.out / "checkpoints").exists()


def test_the_result_is_the_best_model_by_held_out_loss(config):
    events = []
    metrics = train(config, events.append)
    measured = [event for event in events if event["event"] == "evaluation"]
    best = min(measured, key=lambda event: event["eval_loss"])
    assert metrics["best_step"] == best["step"]
    assert metrics["eval_loss"] == pytest.approx(best["eval_loss"], abs=1e-6)


def test_a_batch_in_parts_is_the_same_batch(config, tmp_path):
    """Parts of 3, 3, 3 and 1 pairs: the mean of their means would be another loss and another gradient."""
    traces = []
    for parts in (1, 4):
        events = []
        train(dataclasses.replace(config, accumulation=parts, out=tmp_path / str(parts)), events.append)
        traces.append([(e["loss"], e["grad_norm"], e["accuracy"]) for e in events if e["event"] == "step"])
    torch.testing.assert_close(torch.tensor(traces[0]), torch.tensor(traces[1]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("change", [{}, {"dropout": 0.1}, {"lora_rank": 4, "lora_dropout": 0.1, "patience": 9}])
def test_a_run_that_was_stopped_again_and_again_ends_bit_equal(config, tmp_path, change):
    model = "scratch" if not change.get("lora_rank") else str(tiny.causal(tmp_path / "base"))
    config = dataclasses.replace(config, model=model, **change)
    assert_parts_make_the_whole(train, config, tmp_path, stops=(0, 6, 7, 9, 11, 8, 40))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft's own
@pytest.mark.parametrize("kind", ["bert", "causal"])
def test_an_adapter_trains_itself_and_the_head_and_comes_apart_and_merged(config, tmp_path, kind):
    base = getattr(tiny, kind)(tmp_path / "base")
    config = dataclasses.replace(config, model=str(base), lora_rank=4, learning_rate=1e-2, normalise="on")
    seen = {}

    class Watched(reward_model.Run):
        def steps(self, encoded):
            seen["trained"] = [name for name, value in self.scorer.model.named_parameters() if value.requires_grad]
            super().steps(encoded)
            self.scorer.model.eval()
            rows = self.eval_encoded.chosen[:4]
            with self.scorer.model.disable_adapter(), torch.no_grad():
                seen["off"] = reward_model.models.rewards(
                    self.scorer.model, encoding.collate(rows, self.scorer, torch.device("cpu"))
                )
            torch.manual_seed(config.seed)
            first = reward_model.models.load(str(base), texts=(), max_length=48, dropout=0.0)
            first.model.eval()
            with torch.no_grad():
                seen["first"] = reward_model.models.rewards(
                    first.model, encoding.collate(rows, first, torch.device("cpu"))
                )

    before = weights(base)
    metrics = Watched(config, reward_model.to_nowhere, reward_model.never).whole()
    assert seen["trained"]
    assert [name for name in seen["trained"] if "lora_" not in name and "modules_to_save" not in name] == []
    assert any("modules_to_save" in name for name in seen["trained"])
    assert torch.equal(seen["off"], seen["first"])
    assert metrics["eval_loss"] < 0.693
    assert metrics["score_scale"] != 1.0
    assert [name for name, value in weights(base).items() if not torch.equal(value, before[name])] == []

    kind_of = transformers.AutoModelForSequenceClassification
    merged = kind_of.from_pretrained(config.out)
    adapted = peft.PeftModel.from_pretrained(tiny.loaded(base).model, config.out / "adapter")
    ids = {"input_ids": torch.arange(3, 12)[None]}
    with torch.no_grad():
        torch.testing.assert_close(adapted(**ids).logits, merged(**ids).logits, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(merged(**ids).logits, tiny.loaded(base).model(**ids).logits, atol=1e-3)


def test_patience_ends_the_run_and_the_best_model_is_kept(config):
    events = []
    hopeless = dataclasses.replace(config, learning_rate=0.5, epochs=8, patience=2)
    metrics = train(hopeless, events.append)
    measured = [event for event in events if event["event"] == "evaluation"]
    best = min(measured, key=lambda event: event["eval_loss"])
    assert metrics["steps"] < 48
    assert metrics["best_step"] == best["step"]
    assert metrics["eval_loss"] == pytest.approx(best["eval_loss"], abs=1e-6)
    assert [event["step"] > best["step"] for event in measured[-3:-1]] == [True, True]


def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(config, tmp_path):
    whole = dataclasses.replace(config, out=tmp_path / "whole")
    train(whole)
    with pytest.raises(HandedBack):
        train(config, should_stop=Stop(14))
    newest = max((config.out / "checkpoints").iterdir())
    path = newest / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    events = []
    train(config, events.append)
    assert any("is damaged and not used" in event.get("message", "") for event in events)
    assert any(event["event"] == "resumed" for event in events)
    assert_same(whole.out, config.out)


def test_a_full_disk_ends_in_a_sentence_and_the_run_goes_on_when_there_is_room(config, tmp_path):
    """A limit on the size of a file is what a full disk looks like to the libraries that write it."""
    events = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def report(event):
        events.append(event)
        if event["event"] == "checkpoint":
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    try:
        with pytest.raises(OutOfSpace, match=r"disk is full: the checkpoint of step 4 .* step 3 is whole"):
            train(config, report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = []
    train(config, again.append)
    assert [event["step"] for event in again if event["event"] == "resumed"] == [3]
    whole = dataclasses.replace(config, out=tmp_path / "whole")
    train(whole)
    assert_same(whole.out, config.out)


def test_a_run_that_ended_is_not_trained_again(config):
    first = train(config)
    events = []
    assert train(config, events.append) == first
    assert not any(event["event"] == "step" for event in events)


def test_what_a_kill_after_the_result_left_behind_is_cleared(config):
    first = train(config)
    (config.out / "checkpoints" / "step-00000012").mkdir(parents=True)
    assert train(config) == first
    assert not (config.out / "checkpoints").exists()


def test_a_folder_of_something_else_is_refused_and_left_alone(config):
    train(config)
    with pytest.raises(BadInput, match=r"holds another run \(it differs in seed\)"):
        train(dataclasses.replace(config, seed=1))
    path = config.out / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"is damaged: model\.safetensors is not what was saved"):
        train(config)
    (config.out / "manifest.json").unlink()
    with pytest.raises(BadInput, match="holds files of something else"):
        train(config)


def test_numbers_that_are_none_promote_nothing(config):
    with pytest.raises(Diverged, match="Nothing was promoted"):
        train(dataclasses.replace(config, learning_rate=1e36, warmup=0.0, max_grad_norm=1e30))
    assert not (config.out / "manifest.json").exists()


def test_brain_floats_learn_too(config):
    metrics = train(dataclasses.replace(config, precision="bf16"))
    assert metrics["eval_accuracy"] > metrics["length_only_accuracy"] + 0.2


def test_a_causal_model_with_a_template_is_trained_and_loaded(config, tmp_path):
    base = tiny.causal(tmp_path / "base", template=True)
    events = []
    metrics = train(dataclasses.replace(config, model=str(base), max_length=64, epochs=4), events.append)
    measured = [event["eval_loss"] for event in events if event["event"] == "evaluation"]
    assert metrics["eval_loss"] == pytest.approx(min(measured), abs=1e-5)
    assert min(measured) < measured[0] - 0.01
    model = transformers.AutoModelForSequenceClassification.from_pretrained(config.out)
    assert type(model).__name__ == "LlamaForSequenceClassification"


def test_hard_labels_leave_ties_out_and_say_so(config):
    events = []
    metrics = train(dataclasses.replace(config, labels="hard", epochs=1, batch_size=8), events.append)
    assert metrics["n_train_pairs"] == sum(row["p"] != 0.5 for row in tiny.rows(N, seed=1))
    assert any("ties are left out" in event.get("message", "") for event in events)


def test_margins_are_used_when_asked_for(config, tmp_path):
    def first_loss(labels):
        events = []
        train(dataclasses.replace(config, labels=labels, out=tmp_path / labels, epochs=1), events.append)
        return next(event["loss"] for event in events if event["event"] == "step")

    # Before anything is learnt Δ is near 0: the loss is ln 2, and with margins of .5 and 1.5 ln(1 + e^m), .97 and 1.7.
    assert first_loss("hard") == pytest.approx(math.log(2), abs=0.1)
    assert first_loss("margin") > 0.9


def test_shared_prompts_between_the_files_are_said(config):
    events = []
    metrics = train(dataclasses.replace(config, eval_data=config.data, epochs=1), events.append)
    assert metrics["n_shared_clusters"] == 7
    assert any("7 prompt clusters are in both files" in event.get("message", "") for event in events)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 0}, "--batch-size must be 1 or more"),
        ({"learning_rate": float("nan")}, "--learning-rate"),
        ({"warmup": 2.0}, "--warmup must be from 0 to 1"),
        ({"dropout": 1.0}, "--dropout and --lora-dropout from 0 to less than 1"),
        ({"patience": -1}, "--lora-rank and --patience must be 0 or more"),
        ({"lora_rank": 4}, "An adapter on a model from scratch"),
        ({"max_length": 3}, "--max-length must be 16 or more"),
        ({"batch_size": 500}, "fewer than one batch of 500"),
        ({"model": "/no/such/model"}, "There is no folder /no/such/model"),
    ],
)
def test_options_that_cannot_be_are_a_sentence(config, change, sentence):
    with pytest.raises(BadInput, match=sentence):
        train(dataclasses.replace(config, **change))
    assert not (config.out / "manifest.json").exists()


def test_the_command_ends_with_one_object_of_metrics(config, capsys):
    values = {**dataclasses.asdict(config), "epochs": 1}
    arguments = [
        word
        for name, value in values.items()
        if value not in (None, "")
        for word in ("--" + name.replace("_", "-"), str(value))
    ]
    assert reward_model.main(arguments) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "result"
    assert {"eval_accuracy", "length_only_accuracy", "eval_loss", "ece"} <= lines[-1].keys()
    assert sum(each["n"] for each in lines[-1]["reliability"]) == lines[-1]["n_pairs"]
    assert [kind["by"] for kind in lines[-1]["slices"]] == ["length_ratio"]


def test_the_command_fails_with_a_code_and_a_sentence(config, capsys):
    config.data.write_text('{"prompt": "p", "chosen": "a"}\n')
    arguments = ["--data", config.data, "--eval-data", config.eval_data, "--model", "scratch", "--out", config.out]
    assert reward_model.main(list(map(str, arguments))) == 65
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "failed"
    assert "has no rejected" in last["message"]


def test_each_option_is_explained(capsys):
    with pytest.raises(SystemExit, match="0"):
        reward_model.main(["--help"])
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    for field in dataclasses.fields(Config):
        assert "--" + field.name.replace("_", "-") in said
    assert "Pairs in one step of the optimiser. Default: 16." in said


def test_there_is_no_option_to_run_foreign_code(capsys):
    with pytest.raises(SystemExit, match="2"):
        reward_model.main(["--data", "a", "--eval-data", "b", "--model", "c", "--out", "d", "--trust-remote-code"])
    assert "unrecognized arguments: --trust-remote-code" in capsys.readouterr().err
