"""The e-process of position, and whom it flags among many."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from app.domain.annotators.position import PositionState, flagged, log_evidence


@pytest.mark.parametrize(("left", "right"), [(0, 0), (7, 3), (40, 25)])
def test_the_evidence_is_the_mixture_of_the_likelihoods(left, right):
    mixture, _ = integrate.quad(lambda p: stats.beta.pdf(p, 10, 10) * p**left * (1 - p) ** right, 0, 1)
    assert math.exp(log_evidence(np.array(left), np.array(right))) == pytest.approx(mixture * 2 ** (left + right))


def test_its_mean_over_unbiased_annotators_is_one():
    n = 30
    chances = stats.binom.pmf(np.arange(n + 1), n, 0.5)
    assert chances @ np.exp(log_evidence(np.arange(n + 1), n - np.arange(n + 1))) == pytest.approx(1)


def test_always_left_is_flagged_at_the_twenty_fifth_judgement():
    assert not PositionState(24, 0).is_flagged()
    assert PositionState(25, 0).is_flagged()
    assert PositionState(0, 25).is_flagged()


@given(st.lists(st.booleans(), max_size=15), st.lists(st.booleans(), max_size=6), st.randoms(use_true_random=False))
def test_judgements_come_and_go_in_any_order(kept, retracted, dice: random.Random):
    deeds = [(number, False) for number in range(len(kept) + len(retracted))]
    dice.shuffle(deeds)
    for number in range(len(retracted)):  # a retraction comes some time after what it retracts
        deeds.insert(dice.randint(deeds.index((number, False)) + 1, len(deeds)), (number, True))
    judgements, state = retracted + kept, PositionState()
    for number, is_back in deeds:
        is_left = judgements[number]
        state = state.retract(is_left=is_left) if is_back else state.add(is_left=is_left)
    assert state == PositionState(sum(kept), len(kept) - sum(kept))
    mirrored = PositionState(state.right, state.left)
    assert mirrored.log_evidence == pytest.approx(state.log_evidence)


def test_what_was_never_judged_cannot_be_retracted():
    with pytest.raises(ValueError, match="retract"):
        PositionState(3, 0).retract(is_left=False)


def test_flagging_by_hand():
    """Of four at 5%: 90 >= 4 / .05 holds for the first, 45 >= 40 for the second, 26 < 26.7 for the third."""
    assert flagged(np.log([26.0, 90.0, 1.0, 45.0])).tolist() == [False, True, False, True]
    # The second alone is not enough, and yet falls with a third that is.
    assert flagged(np.log([90.0, 30.0, 27.0, 1.0])).tolist() == [True, True, True, False]
    assert not flagged(np.zeros(3)).any()
    assert flagged(np.zeros(0)).tolist() == []


def test_false_discoveries_stay_few():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        left = rng.binomial(200, np.repeat([0.5, 0.65], [180, 20]))
        chosen = flagged(log_evidence(left, 200 - left))
        shares.append(chosen[:180].sum() / max(chosen.sum(), 1))
        assert chosen[180:].sum() >= 5
    assert np.mean(shares) < 0.05
