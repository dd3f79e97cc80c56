"""The page about an algorithm speaks of what the command really prints and takes."""

import dataclasses
from pathlib import Path

from workers.algorithms.reward_model import Config
from workers.training import errors, options

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "algorithms" / "reward_model.md").read_text()


def test_each_field_has_its_sentence():
    said = options.sentences(Config)
    assert [field.name for field in dataclasses.fields(Config) if not said.get(field.name, "").endswith(".")] == []


def test_each_exit_code_is_on_the_page():
    codes = {kind.exit_code for kind in (errors.TrainingError, *errors.TrainingError.__subclasses__())}
    assert [code for code in codes if f"| {code} |" not in PAGE] == []


def test_options_on_the_page_exist():
    named = {
        word.strip("`,.()").removeprefix("--").replace("-", "_") for word in PAGE.split() if word.startswith("`--")
    }
    assert named - {field.name for field in dataclasses.fields(Config)} - {"help"} == set()
