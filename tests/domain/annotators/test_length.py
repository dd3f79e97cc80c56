"""Who follows length, and how few judgements are drawn to the others."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from app.domain.annotators.length import length_effects


def judgements(rng, effects, *, each=60, truth=0.0):
    annotators = np.repeat(np.arange(len(effects)), each)
    difference = rng.normal(size=len(annotators))
    quality = truth * rng.normal(size=len(annotators))
    chose_first = (rng.random(len(annotators)) < expit(quality + effects[annotators] * difference)).astype(float)
    return annotators, chose_first, difference, quality


def test_mean_and_spread_are_found_and_intervals_hold_the_truth():
    rng = np.random.default_rng(1)
    effects = rng.normal(0.3, 0.5, 200)
    annotators, chose_first, difference, _ = judgements(rng, effects)
    found = length_effects(annotators, chose_first, difference, n_annotators=200)
    assert found.mean == pytest.approx(effects.mean(), abs=0.05)
    assert found.low < effects.mean() < found.high
    assert found.spread == pytest.approx(0.5, abs=0.1)
    is_inside = (found.annotators.low <= effects) & (effects <= found.annotators.high)
    assert is_inside.mean() == pytest.approx(0.95, abs=0.045)


def test_without_a_spread_it_is_one_logistic_regression():
    rng = np.random.default_rng(2)
    annotators, chose_first, difference, quality = judgements(rng, np.full(30, 0.4), truth=1.0)
    found = length_effects(annotators, chose_first, difference, n_annotators=30, offset=quality)
    theirs = sm.GLM(chose_first, difference[:, None], family=sm.families.Binomial(), offset=quality).fit()
    if found.spread == 0:
        assert found.mean == pytest.approx(theirs.params[0], abs=0.03)
    assert found.mean == pytest.approx(theirs.params[0], abs=0.06)
    assert found.spread < 0.25


def test_a_length_lover_stands_out_and_one_judgement_does_not():
    rng = np.random.default_rng(3)
    effects = np.append(np.full(60, 0.2), 3.0)
    annotators, chose_first, difference, _ = judgements(rng, effects)
    few = np.append(annotators, 61), np.append(chose_first, 1.0), np.append(difference, 2.0)
    found = length_effects(*few, n_annotators=63)
    assert found.surprise.argmax() == 60
    assert found.surprise[60] > 3
    assert np.abs(found.surprise[61]) < 2
    assert found.annotators.value[61] == pytest.approx(found.mean, abs=0.3)
    assert (found.annotators.value[62], found.annotators.n[62]) == (pytest.approx(found.mean), 0)


def test_what_is_known_about_the_pair_is_not_taken_for_love_of_length():
    """Better responses are longer here, and nobody looks at length."""
    rng = np.random.default_rng(4)
    annotators = np.repeat(np.arange(40), 100)
    quality = rng.normal(size=4000)
    difference = quality + 0.5 * rng.normal(size=4000)
    chose_first = (rng.random(4000) < expit(2 * quality)).astype(float)
    naive = length_effects(annotators, chose_first, difference, n_annotators=40)
    fair = length_effects(annotators, chose_first, difference, n_annotators=40, offset=2 * quality)
    assert naive.low > 1
    assert fair.low < 0 < fair.high


def test_swapping_sides_and_the_order_of_judgements_change_nothing():
    rng = np.random.default_rng(5)
    annotators, chose_first, difference, _ = judgements(rng, rng.normal(0.2, 0.4, 20))
    order, is_swapped = rng.permutation(len(annotators)), rng.random(len(annotators)) < 0.5
    before = length_effects(annotators, chose_first, difference, n_annotators=20)
    after = length_effects(
        annotators[order],
        np.where(is_swapped, 1 - chose_first, chose_first)[order],
        np.where(is_swapped, -difference, difference)[order],
        n_annotators=20,
    )
    assert after.annotators.value == pytest.approx(before.annotators.value, abs=1e-6)
    assert after.spread == pytest.approx(before.spread, abs=1e-6)


def test_equal_lengths_are_refused():
    with pytest.raises(ValueError, match="same length"):
        length_effects(np.zeros(3, int), np.ones(3), np.zeros(3), n_annotators=1)
