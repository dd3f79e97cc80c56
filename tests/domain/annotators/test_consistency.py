"""Repeats with sides exchanged, and circles among three."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from app.domain.annotators import consistency
from app.domain.shares import wilson


def test_accuracy_of_85_percent_repeats_in_745():
    assert consistency.repeat_rate(0.85) == pytest.approx(0.745)
    assert consistency.accuracy_from_repeats(0.745) == pytest.approx(0.85)
    assert consistency.accuracy_from_repeats(0.3) == 0.5


def test_who_always_takes_the_left_never_repeats():
    found = consistency.repeats(np.zeros(20, int), np.zeros(20, int), np.ones(20, int), n_annotators=2)
    assert (found.value[0], found.n.tolist()) == (0.0, [20, 0])
    assert found.high[0] < 0.2
    assert np.isnan([found.value[1], found.low[1], found.high[1]]).all()


@given(st.integers(1, 200), st.floats(0, 1))
def test_the_interval_is_wilsons(n, part):
    k = round(part * n)
    found = wilson(np.array(float(k)), np.array(float(n)))
    assert (float(found.low), float(found.high)) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_a_design_effect_counts_fewer_observations():
    spread, fewer = (
        wilson(np.array([60.0]), np.array([100.0]), design_effect=4.0),
        wilson(np.array([15.0]), np.array([25.0])),
    )
    assert (spread.low, spread.high, spread.value) == (fewer.low, fewer.high, fewer.value)


def by_counting(votes, n_annotators):
    """Circular and all triads, one after the other."""
    circular, triads = [0] * n_annotators, [0] * n_annotators
    for who in range(n_annotators):
        balance = {}
        for annotator, winner, loser in votes:
            if annotator == who:
                balance[winner, loser] = balance.get((winner, loser), 0) + 1
                balance[loser, winner] = balance.get((loser, winner), 0) - 1
        for trio in itertools.combinations(range(5), 3):
            sides = [balance.get(pair, 0) for pair in ((trio[0], trio[1]), (trio[1], trio[2]), (trio[2], trio[0]))]
            if all(sides):
                triads[who] += 1
                circular[who] += abs(sum(np.sign(sides))) == 3
    return circular, triads


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(1, 4)).map(
            lambda v: (v[0], v[1], (v[1] + v[2]) % 5)
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=50, deadline=None)
def test_triads_are_those_that_one_counts(votes):
    who, winners, losers = map(np.array, zip(*votes, strict=True))
    circular, triads = consistency.circular_triads(who, winners, losers, n_annotators=3, n_responses=5)
    assert (circular.tolist(), triads.tolist()) == by_counting(votes, 3)
