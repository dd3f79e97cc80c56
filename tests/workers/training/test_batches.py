"""Batches: every row once, similar lengths together, and pairs that share responses too."""

import numpy as np

from workers.training.batches import Distinct, epoch_batches, split
from workers.training.encoding import Encoded, Sequence


def sequence(*ids, prompt=(1, 2)):
    return Sequence((*prompt, *ids), len(prompt))


def apart(lengths):
    """Pairs that share no response, by their lengths."""
    found = Encoded()
    for n, length in enumerate(lengths):
        found.chosen.append(sequence(*([1000 + n] * length), prompt=(n,)))
        found.rejected.append(sequence(2000 + n, prompt=(n,)))
    return found


def tournament(n_prompts, n_responses):
    """Each response of a prompt against each other one."""
    found = Encoded()
    for prompt in range(n_prompts):
        for high in range(n_responses):
            for low in range(high):
                found.chosen.append(sequence(100 + high, prompt=(prompt,)))
                found.rejected.append(sequence(100 + low, prompt=(prompt,)))
    return found


def test_an_epoch_holds_each_row_once_and_its_order_follows_from_seed_and_epoch():
    encoded = apart([n * 7 % 31 for n in range(103)])
    first = epoch_batches(encoded, batch_size=8, seed=1, epoch=0)
    assert sorted(row for batch in first for row in batch) == list(range(103))
    assert len(first) == 13
    assert first == epoch_batches(encoded, batch_size=8, seed=1, epoch=0)
    assert first != epoch_batches(encoded, batch_size=8, seed=1, epoch=1)
    assert first != epoch_batches(encoded, batch_size=8, seed=2, epoch=0)


def test_rows_of_one_batch_have_similar_lengths():
    encoded = apart([n * 37 % 200 for n in range(400)])
    lengths = encoded.lengths
    spreads = [
        max(lengths[r] for r in b) - min(lengths[r] for r in b)
        for b in epoch_batches(encoded, batch_size=8, seed=0, epoch=0)
    ]
    assert max(spreads) < 20


def test_pairs_that_share_responses_meet_so_that_most_of_the_readings_are_saved():
    encoded = tournament(20, 24)
    batches = epoch_batches(encoded, batch_size=16, seed=0, epoch=0)
    assert sorted(row for batch in batches for row in batch) == list(range(len(encoded.chosen)))
    readings = sum(len(Distinct.of(encoded, batch).sequences) for batch in batches)
    assert readings < 0.45 * 2 * len(encoded.chosen)
    prompts = [len({encoded.chosen[row].prompt for row in batch}) for batch in batches]
    assert np.mean(prompts) > 2


def test_the_squares_of_each_epoch_are_others():
    encoded = tournament(2, 12)
    first, second = (
        {frozenset(batch) for batch in epoch_batches(encoded, batch_size=4, seed=0, epoch=epoch)} for epoch in (0, 1)
    )
    assert len(first & second) < len(first) / 4


def test_the_distinct_sequences_of_some_rows_lead_back_to_their_chosen_and_rejected():
    encoded = tournament(1, 5)
    rows = [9, 0, 4, 4]
    distinct = Distinct.of(encoded, rows)
    assert [distinct.sequences[n] for n in distinct.chosen] == [encoded.chosen[row] for row in rows]
    assert [distinct.sequences[n] for n in distinct.rejected] == [encoded.rejected[row] for row in rows]
    assert len(set(distinct.sequences)) == len(distinct.sequences)


def test_a_batch_is_split_without_losing_rows():
    assert split(list(range(10)), 4) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert split([1], 4) == [[1]]
