"""A sentence encoder is read by the mean of its tokens, and plain transformers reads it alike."""

import json

import pytest
import torch
import transformers

from tests.workers.training import tiny
from workers.training import models
from workers.training.encoding import Encoder, collate
from workers.training.pooling import SHARE, wants_mean


@pytest.fixture
def folder(tmp_path):
    found = tiny.bert(tmp_path)
    (found / "1_Pooling").mkdir()
    (found / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return found


def inputs(scorer):
    encoded = Encoder(scorer, max_length=32).encode(
        [tiny.pair("clear water", "rude"), tiny.pair("rude rude clear about water", "clear")]
    )
    return collate([*encoded.chosen, *encoded.rejected], scorer, torch.device("cpu"))


def test_the_new_layer_begins_as_the_mean_of_all_real_tokens(folder):
    scorer = models.load_folder(folder, dropout=0.0, base="tiny")
    batch = inputs(scorer)
    scorer.model.eval()
    with torch.no_grad():
        hidden = scorer.model.bert(**batch, output_hidden_states=True).hidden_states
    mask = batch["attention_mask"].unsqueeze(-1).float()
    mean = (hidden[-2] * mask).sum(dim=1) / mask.sum(dim=1)
    expected = torch.nn.functional.layer_norm(SHARE * mean + hidden[-2][:, 0], mean.shape[-1:])
    torch.testing.assert_close(hidden[-1][:, 0], expected, atol=1e-5, rtol=1e-4)


def test_plain_transformers_reads_it_alike_and_it_is_added_once(folder, tmp_path):
    scorer = models.load_folder(folder, dropout=0.0, base="tiny")
    layers = scorer.model.config.num_hidden_layers
    scorer.save(tmp_path / "saved")
    again = models.load_folder(tmp_path / "saved", dropout=0.0, base="tiny")
    assert again.model.config.num_hidden_layers == layers == len(again.model.bert.encoder.layer)
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    batch = inputs(scorer)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(**batch).logits, scorer.model.eval()(**batch).logits)


def test_it_learns(folder):
    scorer = models.load_folder(folder, dropout=0.0, base="tiny")
    scores = models.rewards(scorer.model, inputs(scorer))
    (scores[0] - scores[1]).backward()
    layer = scorer.model.bert.encoder.layer[-1]
    assert layer.attention.self.value.weight.grad.abs().max() > 0
    assert layer.output.dense.weight.grad.abs().max() > 0


def test_only_a_folder_that_says_so_is_read_by_its_mean(folder, tmp_path):
    assert wants_mean(folder)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert not wants_mean(folder)
    assert not wants_mean(tmp_path)
