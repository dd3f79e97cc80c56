"""Scores as training reads them: prompts read once for their responses, the numbers as if each stood alone."""

import pytest
import torch

from tests.workers.training import tiny
from workers.training import models
from workers.training.encoding import Encoder, collate
from workers.training.reading import Reader

CPU = torch.device("cpu")
LONG = "the answer about water energy school music road garden " * 2
PAIRS = [
    tiny.pair("clear careful answer", "rude", prompt=LONG),
    tiny.pair("sound detailed", "rude", prompt=LONG),
    tiny.pair("precise", "vague wrong lazy", prompt=LONG),
    tiny.pair("sound " * 9, "wrong noisy", prompt="music garden"),
]


def read_in_training(scorer, sequences):
    """Scores and gradients, each sequence with a weight of its own."""
    scorer.model.zero_grad()
    reader = Reader(scorer, max_length=64)
    scores = reader.scores(sequences, CPU)
    (scores * torch.arange(1.0, len(scores) + 1)).sum().backward()
    gradient = torch.cat([value.grad.flatten() for value in scorer.model.parameters() if value.grad is not None])
    return reader, scores.detach(), gradient


def sequences_of(scorer):
    encoded = Encoder(scorer, max_length=64).encode(PAIRS)
    return list(dict.fromkeys([*encoded.chosen, *encoded.rejected]))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("template", [False, True])
def test_sharing_a_prompt_changes_neither_scores_nor_gradients(tmp_path, kind, template):
    scorer = tiny.loaded(tiny.causal(tmp_path / "base", kind=kind, template=template))
    sequences = sequences_of(scorer)
    reader, scores, gradient = read_in_training(scorer, sequences)
    assert reader.work is not None

    scorer.model.zero_grad()
    alone = torch.cat([models.rewards(scorer.model, collate([one], scorer, CPU)) for one in sequences])
    (alone * torch.arange(1.0, len(alone) + 1)).sum().backward()
    expected = torch.cat([value.grad.flatten() for value in scorer.model.parameters() if value.grad is not None])
    assert alone.std() > 1e-4
    torch.testing.assert_close(scores, alone.detach(), atol=1e-5, rtol=1e-5)
    assert (gradient - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_prompt_is_read_once_for_all_its_responses(tmp_path, monkeypatch):
    scorer = tiny.loaded(tiny.causal(tmp_path / "base"))
    reader = Reader(scorer, max_length=64)
    sequences = [each for each in sequences_of(scorer) if each.n_first > 15]
    assert len({each.prompt for each in sequences}) == 1
    read = []
    inner = Reader._last_hidden
    monkeypatch.setattr(
        Reader, "_last_hidden", lambda self, batch: (read.append(batch.n_tokens), inner(self, batch))[1]
    )
    reader.scores(sequences, CPU)
    n_prompt = sequences[0].n_first
    assert sum(read) == n_prompt + sum(len(each.ids) - n_prompt for each in sequences)


def test_a_model_that_does_not_take_our_rows_reads_padded_ones(tmp_path):
    scorer = tiny.loaded(tiny.causal(tmp_path / "base"))
    scorer.model.config.sliding_window = 8
    reader, scores, _ = read_in_training(scorer, sequences_of(scorer))
    assert reader.work is None
    assert len(scores) == len(sequences_of(scorer))


def test_an_encoder_reads_each_response_behind_its_own_prompt(tmp_path):
    scorer = tiny.loaded(tiny.bert(tmp_path / "base"))
    sequences = sequences_of(scorer) * 2  # more than are read at a time
    reader, scores, _ = read_in_training(scorer, sequences)
    assert reader.work is None
    with torch.no_grad():
        alone = torch.cat([models.rewards(scorer.model, collate([one], scorer, CPU)) for one in sequences])
    torch.testing.assert_close(scores, alone, atol=1e-5, rtol=1e-4)


def test_trying_a_model_leaves_it_in_training(tmp_path):
    scorer = tiny.loaded(tiny.causal(tmp_path / "base"))
    scorer.model.train()
    Reader(scorer, max_length=64)
    assert scorer.model.training
