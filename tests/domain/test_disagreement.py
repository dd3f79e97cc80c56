"""Entropy, who differs on principle, what is noise, and that small groups stay hidden."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.domain import disagreement as dis
from app.domain.disagreement import Kind


def test_entropy_by_hand():
    counts = np.array([[5.0, 0, 0], [2, 2, 0], [1, 1, 1], [4, 1, 0], [0, 0, 0]])
    assert dis.entropy(counts) == pytest.approx([0, 1, np.log2(3), 0.7219, np.nan], abs=1e-4, nan_ok=True)


def votes(rng, shares, sizes):
    """One item: (items, groups, annotators, values) of groups with these shares for the first side."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = (rng.random(len(groups)) < np.repeat(shares, sizes)).astype(float)
    return np.zeros(len(groups), int), groups, np.arange(len(groups)), values


def test_groups_that_prefer_different_sides_are_told_from_chance():
    rng = np.random.default_rng(1)
    apart = dis.group_preferences(*votes(rng, [0.9, 0.1], [30, 30]), n_items=1, n_groups=2)
    assert apart.p_values[0] < 1e-6
    assert apart.value[0, 0] > 0.7 > 0.3 > apart.value[0, 1]
    assert (apart.low < apart.value).all()
    assert (apart.value < apart.high).all()


def test_groups_that_prefer_alike_are_seldom_told_apart():
    rng = np.random.default_rng(2)
    found = [
        dis.group_preferences(*votes(rng, [0.6, 0.6, 0.6], [20, 20, 20]), n_items=1, n_groups=3).p_values[0]
        for _ in range(500)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 3 * (0.05 * 0.95 / 500) ** 0.5


def test_an_annotator_who_votes_often_counts_once():
    items, groups, annotators, values = votes(np.random.default_rng(3), [1.0, 0.0], [10, 10])
    often = np.concatenate([annotators, np.zeros(50, int)])
    found = dis.group_preferences(
        np.append(items, np.zeros(50, int)),
        np.append(groups, np.zeros(50, int)),
        often,
        np.append(values, np.zeros(50)),
        n_items=1,
        n_groups=2,
    )
    assert found.n_annotators.tolist() == [[10, 10]]
    assert found.value[0, 0] == pytest.approx((9 + 1 / 51) / 10)


def test_a_group_of_nine_is_not_shown_and_cannot_be_had_by_subtraction():
    assert dis.shown(np.array([[12, 9, 30]])).tolist() == [[False, False, True]]
    assert dis.shown(np.array([[12, 9, 3]])).tolist() == [[True, False, False]]
    assert dis.shown(np.array([[12, 0, 10]])).tolist() == [[True, False, True]]
    assert dis.shown(np.array([[9, 9, 0]])).tolist() == [[False, False, False]]
    found = dis.group_preferences(*votes(np.random.default_rng(4), [0.5, 0.5, 0.5], [12, 9, 30]), n_items=1, n_groups=3)
    assert np.isnan(found.value[0]).tolist() == [True, True, False]
    assert np.isnan(found.low[0]).tolist() == [True, True, False]
    assert np.isnan(found.p_values[0])


def test_who_says_nothing_of_themselves_belongs_to_no_group():
    found = dis.group_preferences(np.zeros(12, int), np.full(12, -1), np.arange(12), np.ones(12), n_items=1, n_groups=2)
    assert found.n_annotators.tolist() == [[0, 0]]


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), max_size=30))
@settings(deadline=None)
def test_discoveries_are_those_of_scipys_adjusted_values(p_values):
    p = np.array(p_values)
    is_tested = ~np.isnan(p)
    expected = np.zeros(len(p), dtype=bool)
    if is_tested.any():
        expected[is_tested] = stats.false_discovery_control(p[is_tested]) <= 0.05
    assert dis.discoveries(p).tolist() == expected.tolist()


def test_kinds_of_disagreement():
    counts = np.array([[5.0, 0], [3, 2], [3, 2], [3, 2], [5, 0]])
    reliable = np.array([0.97, 0.95, 0.6, 0.95, 0.97])
    is_diverging = np.array([False, False, False, True, True])
    assert dis.kinds(counts, reliable, is_diverging) == [
        Kind.AGREED,
        Kind.NOISY,
        Kind.AMBIGUOUS,
        Kind.DIVERGING,
        Kind.DIVERGING,
    ]
