"""The options that the form offers are those of the trainer: names, defaults, types, and no value that it refuses."""

import dataclasses
import typing

import pytest

from app.training import options
from app.training.options import SUPPLIED, RewardModelOptions, offered
from app.web.forms import parse_form


@pytest.fixture(scope="module")
def config():
    from workers.algorithms.reward_model import Config

    return Config


@pytest.mark.training
def test_names_defaults_and_types_are_those_of_the_trainer(config):
    hints = typing.get_type_hints(config)
    asked = [field for field in dataclasses.fields(config) if field.name not in SUPPLIED]
    assert {field.name for field in asked} == set(RewardModelOptions.model_fields)
    for field in asked:
        ours = RewardModelOptions.model_fields[field.name]
        assert ours.annotation == hints[field.name], field.name
        if field.default is not dataclasses.MISSING:
            assert ours.default == field.default, field.name
            assert type(ours.default) is type(field.default), field.name


@pytest.mark.training
def test_the_supplied_options_exist(config):
    assert {field.name for field in dataclasses.fields(config)} >= SUPPLIED


@pytest.mark.training
def test_what_the_form_lets_through_the_trainer_takes(config, tmp_path):
    from workers.algorithms.reward_model import check_options

    smallest = {"epochs": 1, "batch_size": 1, "warmup": 0, "dropout": 0, "max_length": 16, "learning_rate": 1e-9}
    largest = {"epochs": 100, "batch_size": 4096, "warmup": 1, "dropout": 0.99, "learning_rate": 1, "weight_decay": 10}
    for chosen in (smallest, largest):
        given = RewardModelOptions(**chosen).model_dump()
        check_options(config(data=tmp_path, eval_data=tmp_path, out=tmp_path, **given))


def test_every_option_has_a_label_and_a_sentence():
    for option in offered():
        assert option.label and option.label != option.name, option.name
        assert option.sentence.endswith("."), option.name


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("epochs", "0", "Please give a number from 1 upwards."),
        ("epochs", "two", "Please give a whole number."),
        ("batch_size", "", "Please give a whole number."),
        ("learning_rate", "0", "Please give a number above 0.0."),
        ("learning_rate", "nan", "Please give a number."),
        ("dropout", "1", "Please give a number below 1.0."),
        ("labels", "loud", "Please choose one of the list."),
        ("model", "", "Please fill this in."),
        ("model", "--out=/", "A model’s name or folder does not begin with a dash."),
        ("model", "a\x00b", "The text holds a character (NUL) that cannot be stored. Remove it and send again."),
        ("model", "a\nb", "A model’s name or folder stands on one line, in letters and signs that can be seen."),
    ],
)
def test_bad_values_end_in_a_sentence(name, value, sentence):
    parsed, errors = parse_form(RewardModelOptions, {name: value})
    assert parsed is None
    assert errors == {name: sentence}


def test_a_model_from_scratch_is_the_default_where_the_small_encoder_is_not_installed(monkeypatch):
    monkeypatch.setattr(options, "MINILM_PACKAGE", "no_such_package_anywhere")
    assert options.default_model() == "scratch"
