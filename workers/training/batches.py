"""Which pairs are computed together, so that a response that stands in several of them is read once.

Where people compared many responses to one prompt (rankings, tournaments, best of n), each response stands in many
pairs, and reading it anew for every one of them is most of the work. Pairs that share responses are therefore put
into one batch in *squares*: three responses against three others make up to nine pairs and need six readings, not
eighteen. Squares of different prompts fill a batch, so that its gradient still speaks of many texts. Where no two pairs
share a response, nothing is changed: the batches are a plain shuffle, sorted by length within stretches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Rows
from dataclasses import dataclass

import numpy as np

from workers.training.encoding import Encoded, Sequence

STRETCH = 50
"""Batches within which rows are sorted by length: enough for little padding, no drift from short to long."""
SIDE = 3
"""Responses on each side of a square; larger ones read less and leave fewer prompts in a batch."""


def epoch_batches(encoded: Encoded, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """All rows once, in batches of similar length, in an order that seed and epoch alone decide.

    The last batch of an epoch may be smaller.
    """
    rng = np.random.default_rng([seed, epoch])
    squares = _squares(encoded, rng)
    lengths = encoded.lengths
    order = rng.permutation(len(squares))
    rows: list[int] = []
    stretch: list[list[int]] = []
    room = STRETCH * batch_size
    for n in order:
        stretch.append(squares[n])
        room -= len(squares[n])
        if room <= 0:
            rows += _by_length(stretch, lengths)
            stretch, room = [], STRETCH * batch_size
    rows += _by_length(stretch, lengths)
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[n] for n in rng.permutation(len(batches))]


def length_batches(lengths: list[int], *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The same for rows that share nothing."""
    rng = np.random.default_rng([seed, epoch])
    order = [int(row) for row in rng.permutation(len(lengths))]
    rows: list[int] = []
    for at in range(0, len(order), STRETCH * batch_size):
        rows += sorted(order[at : at + STRETCH * batch_size], key=lambda row: lengths[row])
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[n] for n in rng.permutation(len(batches))]


def _squares(encoded: Encoded, rng: np.random.Generator) -> list[list[int]]:
    """The rows in groups that share responses; the responses take their places anew in each epoch."""
    prompts: dict[tuple[int, ...], set[Sequence]] = {}
    keys = [chosen.prompt for chosen in encoded.chosen]
    for key, chosen, rejected in zip(keys, encoded.chosen, encoded.rejected, strict=True):
        prompts.setdefault(key, set()).update((chosen, rejected))
    side: dict[Sequence, int] = {}
    for responses in prompts.values():
        ordered = sorted(responses, key=lambda sequence: sequence.ids)
        for place, n in enumerate(rng.permutation(len(ordered))):
            side[ordered[n]] = place // SIDE
    squares: dict[tuple[tuple[int, ...], int, int], list[int]] = {}
    for row, (key, chosen, rejected) in enumerate(zip(keys, encoded.chosen, encoded.rejected, strict=True)):
        low, high = sorted((side[chosen], side[rejected]))
        squares.setdefault((key, low, high), []).append(row)
    return list(squares.values())


def _by_length(squares: list[list[int]], lengths: list[int]) -> list[int]:
    ordered = sorted(squares, key=lambda rows: max(lengths[row] for row in rows))  # stable: equals stay shuffled
    return [row for rows in ordered for row in rows]


def split(batch: list[int], parts: int) -> list[list[int]]:
    """A batch in at most `parts` parts of nearly equal size, in its order (by length, so that parts pad little)."""
    size = max(1, math.ceil(len(batch) / parts))
    return [batch[start : start + size] for start in range(0, len(batch), size)]


@dataclass(frozen=True, slots=True)
class Distinct:
    """The different sequences of some rows from short to long, and where each row's chosen and rejected stand among
    them, (rows,) each.
    """

    sequences: list[Sequence]
    chosen: list[int]
    rejected: list[int]

    @classmethod
    def of(cls, encoded: Encoded, rows: Rows[int]) -> Distinct:
        different = {encoded.chosen[row]: None for row in rows} | {encoded.rejected[row]: None for row in rows}
        sequences = sorted(different, key=lambda sequence: len(sequence.ids))
        place = {sequence: n for n, sequence in enumerate(sequences)}
        return cls(
            sequences,
            [place[encoded.chosen[row]] for row in rows],
            [place[encoded.rejected[row]] for row in rows],
        )
