"""Options that come as a JSON object: each that does not fit is named."""

from pathlib import Path

import pytest

from workers.algorithms.reward_model import Config
from workers.training.errors import BadInput
from workers.training.options import from_values

GIVEN = {"data": "train.jsonl", "eval_data": "held_out.jsonl", "model": "scratch", "out": "out"}


def test_values_become_what_the_fields_are():
    config = from_values(Config, {**GIVEN, "epochs": 2.0, "learning_rate": 1, "labels": "hard", "lineage": None})
    assert config == Config(
        data=Path("train.jsonl"),
        eval_data=Path("held_out.jsonl"),
        model="scratch",
        out=Path("out"),
        epochs=2,
        learning_rate=1.0,
        labels="hard",
    )
    assert isinstance(config.epochs, int)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trust_remote_code": True}, "There is no option trust_remote_code"),
        ({"epochs": "many"}, "The option epochs must be a whole number, not 'many'"),
        ({"epochs": 1.5}, "The option epochs must be a whole number, not 1.5"),
        ({"epochs": True}, "The option epochs must be a whole number, not True"),
        ({"epochs": None}, "The option epochs must be a whole number, not None"),
        ({"epochs": float("nan")}, "The option epochs must be a whole number, not nan"),
        ({"epochs": float("inf")}, "The option epochs must be a whole number, not inf"),
        ({"learning_rate": "fast"}, "The option learning_rate must be a number, not 'fast'"),
        ({"labels": "loud"}, "The option labels is one of soft, hard, margin, not 'loud'"),
        ({"labels": ["soft"]}, "The option labels is one of soft, hard, margin"),
        ({"model": 3}, "The option model must be a text, not 3"),
    ],
)
def test_what_does_not_fit_is_named(values, said):
    with pytest.raises(BadInput) as refused:
        from_values(Config, {**GIVEN, **values})
    assert said in str(refused.value)


def test_what_is_missing_is_named():
    with pytest.raises(BadInput, match="The option model is missing"):
        from_values(Config, {name: value for name, value in GIVEN.items() if name != "model"})
