"""The options that the form offers are those of the trainers: names, defaults, types, and no value that they refuse."""

import dataclasses
import importlib
import typing

import pytest
from pydantic import ValidationError

from app.training import options
from app.training.options import OPTIONS, SUPPLIED, DpoOptions, PolicyOptions, RewardModelOptions, SftOptions
from app.training.options.offered import offered
from app.web.forms import parse_form

OWN = {"base_run"}  # the worker's, who makes a folder of it
EDGES = {
    "epochs": (1, 100),
    "batch_size": (1, 4096),
    "warmup": (0, 1),
    "dropout": (0, 0.99),
    "max_length": (16, 131_072),
    "learning_rate": (1e-9, 1),
    "weight_decay": (0, 10),
    "lora_rank": (0, 4096),
    "lora_alpha": (1e-9, 1e6),
    "lora_dropout": (0, 0.99),
    "patience": (0, 1_000_000),
    "beta": (1e-9, 1000),
    "label_smoothing": (0, 0.49),
}


@pytest.fixture(params=OPTIONS)
def algorithm(request):
    return request.param


@pytest.fixture
def trainer(algorithm):
    return importlib.import_module(f"workers.algorithms.{algorithm}")


@pytest.mark.training
def test_names_defaults_and_types_are_those_of_the_trainer(algorithm, trainer):
    hints = typing.get_type_hints(trainer.Config)
    asked = [field for field in dataclasses.fields(trainer.Config) if field.name not in SUPPLIED]
    assert {field.name for field in asked} == set(OPTIONS[algorithm].model_fields) - OWN
    for field in asked:
        ours = OPTIONS[algorithm].model_fields[field.name]
        assert ours.annotation == hints[field.name], field.name
        if field.default is not dataclasses.MISSING:
            assert ours.default == field.default, field.name
            assert type(ours.default) is type(field.default), field.name


@pytest.mark.training
def test_the_supplied_options_exist():
    known = {
        field.name
        for algorithm in OPTIONS
        for field in dataclasses.fields(importlib.import_module(f"workers.algorithms.{algorithm}").Config)
    }
    assert known >= SUPPLIED


@pytest.mark.training
@pytest.mark.parametrize("edge", [0, 1])
def test_what_the_form_lets_through_the_trainer_takes(algorithm, trainer, tmp_path, edge):
    chosen = {name: both[edge] for name, both in EDGES.items() if name in OPTIONS[algorithm].model_fields}
    given = OPTIONS[algorithm](model="a/b", **chosen).model_dump(exclude=OWN)
    config = trainer.Config(data=tmp_path, eval_data=tmp_path, out=tmp_path, **given)
    check = getattr(trainer, "check_options", trainer.Config.check if hasattr(trainer.Config, "check") else None)
    check(config)


def test_every_option_has_a_label_and_a_sentence_and_every_choice_words(algorithm):
    for option in offered(OPTIONS[algorithm]):
        assert option.label and option.label != option.name, option.name
        assert option.sentence.endswith("."), option.name
        for value, words in option.choices:
            assert words != value, (option.name, value)


def test_basic_options_come_first_in_the_order_of_a_first_try():
    names = [option.name for option in offered(DpoOptions) if option.is_basic]
    assert names == ["labels", "epochs", "batch_size", "learning_rate", "beta", "max_length"]
    assert [option.name for option in offered(DpoOptions)][: len(names)] == names


@pytest.mark.parametrize(
    ("kind", "name", "value", "sentence"),
    [
        (RewardModelOptions, "epochs", "0", "Please give a number from 1 upwards."),
        (RewardModelOptions, "epochs", "two", "Please give a whole number."),
        (RewardModelOptions, "batch_size", "", "Please give a whole number."),
        (RewardModelOptions, "learning_rate", "0", "Please give a number above 0.0."),
        (RewardModelOptions, "learning_rate", "nan", "Please give a number."),
        (RewardModelOptions, "dropout", "1", "Please give a number below 1.0."),
        (RewardModelOptions, "labels", "loud", "Please choose one of the list."),
        (RewardModelOptions, "model", "", "Please fill this in."),
        (RewardModelOptions, "model", "--out=/", "A model’s name or folder does not begin with a dash."),
        (
            RewardModelOptions,
            "model",
            "a\x00b",
            "The text holds a character (NUL) that cannot be stored. Remove it and send again.",
        ),
        (
            RewardModelOptions,
            "model",
            "a\nb",
            "A model’s name or folder stands on one line, in letters and signs that can be seen.",
        ),
        (SftOptions, "model", "minilm", "minilm scores texts and cannot write any. Choose another model."),
        (SftOptions, "base_run", "first", "Please give a whole number."),
        (SftOptions, "base_run", "0", "Please give a number from 1 upwards."),
        (
            SftOptions,
            "lora_rank",
            "8",
            "An adapter on a model from scratch would train next to nothing. Give 0 here.",
        ),
        (SftOptions, "lora_targets", "", "Please fill this in."),
        (RewardModelOptions, "lora_rank", "-1", "Please give a number from 0 upwards."),
        (RewardModelOptions, "patience", "-1", "Please give a number from 0 upwards."),
        (SftOptions, "schedule", "steps", "Please choose one of the list."),
        (DpoOptions, "beta", "0", "Please give a number above 0.0."),
        (DpoOptions, "label_smoothing", "0.5", "Please give a number below 0.5."),
        (DpoOptions, "loss", "kto", "Please choose one of the list."),
        (DpoOptions, "patience", "-1", "Please give a number from 0 upwards."),
    ],
)
def test_bad_values_end_in_a_sentence(kind, name, value, sentence):
    parsed, errors = parse_form(kind, {name: value})
    assert parsed is None
    assert errors == {name: sentence}


@pytest.mark.parametrize("kind", [SftOptions, DpoOptions])
def test_an_earlier_run_is_the_model(kind):
    assert kind(base_run=3).model == kind(base_run=3, model="run-3").model == "run-3"
    assert kind(base_run=3, lora_rank=8).lora_rank == 8
    with pytest.raises(ValidationError, match="not both"):
        kind(base_run=3, model="org/gpt")


def test_an_adapter_wants_a_model_that_knows_something():
    assert RewardModelOptions(lora_rank=8, patience=3).lora_rank == 8
    with pytest.raises(ValidationError, match="next to nothing"):
        RewardModelOptions(model="scratch", lora_rank=8)


def test_only_a_language_model_goes_on_from_a_run():
    assert "base_run" not in RewardModelOptions.model_fields
    with pytest.raises(ValidationError):
        RewardModelOptions(base_run=3)


def test_options_know_their_algorithm():
    assert [options.algorithm_of(kind()) for kind in OPTIONS.values()] == list(OPTIONS)
    assert issubclass(SftOptions, PolicyOptions)


def test_a_model_from_scratch_is_the_default_where_the_small_encoder_is_not_installed(monkeypatch):
    monkeypatch.setattr(options, "MINILM_PACKAGE", "no_such_package_anywhere")
    assert options.default_model() == "scratch"


def test_a_ranking_as_a_whole_goes_with_soft_labels():
    assert RewardModelOptions(rankings="plackett_luce").labels == "soft"
    with pytest.raises(ValidationError, match="Choose soft labels, or pairs"):
        RewardModelOptions(rankings="plackett_luce", labels="margin")
