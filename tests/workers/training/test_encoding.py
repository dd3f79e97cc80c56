"""Texts to tokens: the rule of cutting, special tokens, batches."""

import pytest
import torch

from tests.workers.training import tiny
from workers.training.encoding import Encoder, collate, cut


def tokens(scorer, sequence):
    return scorer.tokenizer.convert_ids_to_tokens(list(sequence.ids))


@pytest.mark.parametrize(
    ("prompt", "response", "expected"),
    [
        (4, 4, (4, 4)),  # fits
        (12, 6, (10, 6)),  # the prompt's beginning goes
        (12, 30, (4, 12)),  # down to a quarter of 16, then the response's end
        (2, 30, (2, 14)),  # a short prompt stays whole
        (0, 30, (0, 16)),
    ],
)
def test_the_rule_of_cutting(prompt, response, expected):
    p, r = list(range(prompt)), list(range(100, 100 + response))
    first, second = cut(p, r, room=16)
    assert (len(first), len(second)) == expected
    assert first == p[len(p) - len(first) :]
    assert second == r[: len(second)]


def test_encoders_read_their_own_pair_form(tmp_path):
    scorer = tiny.loaded(tiny.bert(tmp_path))
    encoded = Encoder(scorer, max_length=32).encode([tiny.pair("clear", "rude", prompt="about water")])
    assert tokens(scorer, encoded.chosen[0]) == ["[CLS]", "Ġabout", "Ġwater", "[SEP]", "Ġclear", "[SEP]"]
    batch = collate(encoded.chosen, scorer, torch.device("cpu"))
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1]]


def test_words_that_look_like_special_tokens_stay_words(tmp_path):
    scorer = tiny.loaded(tiny.bert(tmp_path))
    encoded = Encoder(scorer, max_length=64).encode([tiny.pair("clear [SEP] [PAD]", "rude [CLS]")])
    ids = encoded.chosen[0].ids
    assert ids.count(scorer.tokenizer.sep_token_id) == 2
    assert scorer.tokenizer.pad_token_id not in ids


def test_causal_models_end_with_one_end_of_text(tmp_path):
    scorer = tiny.loaded(tiny.causal(tmp_path))
    ids = Encoder(scorer, max_length=32).encode([tiny.pair()]).chosen[0].ids
    assert ids.count(scorer.tokenizer.eos_token_id) == 1
    assert ids[-1] == scorer.tokenizer.eos_token_id


def test_a_chat_template_is_used_and_its_end_not_doubled(tmp_path):
    scorer = tiny.loaded(tiny.causal(tmp_path, template=True))
    prompt = [{"role": "system", "content": "careful"}, {"role": "user", "content": "about water"}]
    encoder = Encoder(scorer, max_length=64)
    ids = encoder.encode([tiny.pair("clear", "rude", prompt=prompt)]).chosen[0].ids
    whole = scorer.tokenizer.apply_chat_template([*prompt, {"role": "assistant", "content": "clear"}], tokenize=False)
    assert list(ids) == scorer.tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert ids.count(scorer.tokenizer.eos_token_id) == 3
    assert encoder.form == "template"


def test_long_texts_are_cut_and_counted_never_dropped(tmp_path):
    scorer = tiny.loaded(tiny.bert(tmp_path))
    pairs = [tiny.pair("clear " * 20_000, "rude", prompt="about"), tiny.pair("clear", "rude", prompt="water " * 100)]
    encoded = Encoder(scorer, max_length=32).encode(pairs)
    assert max(encoded.lengths) == 32
    assert len(encoded.chosen) == 2
    assert (encoded.n_responses_cut, encoded.n_prompts_cut) == (1, 2)


def test_a_score_does_not_depend_on_what_it_is_compared_with(tmp_path):
    scorer = tiny.loaded(tiny.bert(tmp_path))
    encoder = Encoder(scorer, max_length=16)
    prompt = "water " * 30
    beside_short = encoder.encode([tiny.pair("clear", "rude", prompt=prompt)]).chosen[0]
    beside_long = encoder.encode([tiny.pair("clear", "rude " * 30, prompt=prompt)]).chosen[0]
    assert beside_short == beside_long
