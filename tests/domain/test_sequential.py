"""Comparing models at any time: evidence, intervals, and votes that come and go."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sequential import Duel, interval, log_evidence


def test_the_interval_is_what_the_evidence_does_not_refuse():
    wins, losses = np.array([60.0, 0.0, 500.0]), np.array([40.0, 30.0, 500.0])
    low, high = interval(wins, losses)
    assert log_evidence(wins, losses, p=low)[[0, 2]] == pytest.approx(np.log(20))
    assert log_evidence(wins, losses, p=high) == pytest.approx(np.log(20))
    assert (low[1], 0 < high[1] < 0.5) == (0.0, True)
    assert interval(np.array(0), np.array(0)) == (0.0, 1.0)


def test_intervals_hold_the_truth_at_all_times_at_once():
    rng = np.random.default_rng(1)
    n = np.arange(10, 1001, 10)
    for p in (0.5, 0.62, 0.9):
        wins = np.cumsum(rng.binomial(10, p, size=(1000, len(n))), axis=1)
        missed = (log_evidence(wins, n - wins, p=p) >= np.log(20)).any(axis=1)
        assert missed.mean() <= 0.05


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=60), st.randoms(use_true_random=False))
def test_votes_come_and_go_in_any_order_and_the_other_side_says_the_opposite(outcomes, dice: random.Random):
    duel, mirror = Duel(), Duel()
    for outcome in outcomes:
        duel, mirror = duel.add(outcome), mirror.add(-outcome)
    gone = dice.sample(outcomes, len(outcomes) // 2)
    rest = list(outcomes)
    for outcome in gone:
        duel, mirror = duel.retract(outcome), mirror.retract(-outcome)
        rest.remove(outcome)
    dice.shuffle(rest)
    again = Duel()
    for outcome in rest:
        again = again.add(outcome)
    assert duel == again
    assert duel.winner() == -mirror.winner()
    assert duel.p_value == pytest.approx(mirror.p_value)


def test_a_winner_is_declared_by_enough_votes_and_ties_do_not_count():
    assert Duel(60, 40, 900).winner() == 0
    assert Duel(600, 400).winner() == 1
    assert Duel(400, 600).winner() == -1
    assert Duel(600, 400).p_value == Duel(600, 400, 5000).p_value < 0.05


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="outcome"):
        Duel().add(2)
    with pytest.raises(ValueError, match="retract"):
        Duel(1, 0, 0).retract(-1)
