"""The card's example is run as it stands; what people wrote cannot break out of it."""

import re

import pytest
import torch

from tests.workers.training import tiny
from workers.training import model_card, models
from workers.training.encoding import Encoder, collate
from workers.training.errors import BadInput


def card(**changes):
    given = {"metrics": {"eval_accuracy": 0.5}, "options": {}, "lineage": {}, "base": "b", "form": "pair"}
    return model_card.text(**{**given, **changes})


@pytest.mark.parametrize("form", ["pair", "template", "text"])
def test_the_example_gives_the_scores_of_training(tmp_path, form):
    base = tmp_path / "base"
    made = tiny.bert(base) if form == "pair" else tiny.causal(base, template=form == "template")
    scorer = tiny.loaded(made)
    scorer.save(tmp_path / "saved")
    encoder = Encoder(scorer, max_length=60)
    assert encoder.form == form
    pair = tiny.pair("clear [SEP] sound" if form == "pair" else "clear sound", prompt="about water")
    sequence = encoder.encode([pair]).chosen[0]
    example = re.search(r"```python\n(.*?)```", card(form=form), flags=re.DOTALL)[1]
    names = {"folder": str(tmp_path / "saved"), "prompt": pair.prompt, "response": pair.chosen}
    exec(example, names)
    with torch.no_grad():
        expected = models.rewards(scorer.model, collate([sequence], scorer, torch.device("cpu")))
    torch.testing.assert_close(names["score"].detach(), expected, atol=1e-5, rtol=1e-4)


def test_lineage_is_a_table_that_no_value_can_leave():
    made = card(lineage={"guideline": "a | b\n# Heading <script>", "versions": [1, 2]})
    assert "| guideline | a \\| b # Heading &lt;script> |" in made
    assert "| versions | [1, 2] |" in made
    assert "None was given." in card()


@pytest.mark.parametrize(("content", "sentence"), [("{", "cannot be read as JSON"), ("[1]", "is no JSON object")])
def test_a_lineage_that_cannot_be_used_is_said(tmp_path, content, sentence):
    (tmp_path / "l.json").write_text(content)
    with pytest.raises(BadInput, match=sentence):
        model_card.read_lineage(tmp_path / "l.json")
