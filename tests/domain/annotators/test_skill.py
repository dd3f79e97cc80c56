"""Skill drawn towards the others, and the funnel."""

import numpy as np
import pytest
from scipy import stats

from app.domain.annotators.skill import Population, funnel, population, skill


def crowd(rng, n=3000):
    accuracy = rng.beta(17, 3, n)
    answered = rng.integers(1, 60, n).astype(float)
    return accuracy, rng.binomial(answered.astype(int), accuracy).astype(float), answered


def test_the_distribution_over_annotators_is_found_and_intervals_hold_the_truth():
    accuracy, right, answered = crowd(np.random.default_rng(1))
    found = population(right, answered)
    assert found.mean == pytest.approx(0.85, abs=0.01)
    assert found.a + found.b == pytest.approx(20, rel=0.15)
    estimates = skill(right, answered)
    assert ((estimates.low <= accuracy) & (accuracy <= estimates.high)).mean() == pytest.approx(0.95, abs=0.015)


def test_few_answers_are_drawn_to_the_others():
    _, right, answered = crowd(np.random.default_rng(2))
    found = skill(np.append(right, [2.0, 200.0, 0.0]), np.append(answered, [2.0, 200.0, 0.0]))
    two, many, none = found.value[-3:]
    assert none == pytest.approx(0.85, abs=0.01)
    assert none < two < many
    assert many > 0.98


def test_the_likelihood_has_its_maximum_there():
    _, right, answered = crowd(np.random.default_rng(3), n=200)
    found = population(right, answered)

    def likelihood(a, b):
        return stats.betabinom.logpmf(right, answered, a, b).sum()

    best = likelihood(found.a, found.b)
    for a, b in ((1.05, 1.0), (0.95, 1.0), (1.0, 1.05), (1.0, 0.95), (1.03, 1.03), (0.97, 0.97)):
        assert likelihood(found.a * a, found.b * b) < best


def test_hardly_anybody_makes_a_flat_prior_and_nobody_no_error():
    assert population(np.array([3.0, 4.0]), np.array([4.0, 4.0])) == Population(1.0, 1.0)
    assert skill(np.zeros(1), np.zeros(1)).value.tolist() == [0.5]


def test_differences_by_chance_alone_leave_no_spread():
    right = np.random.default_rng(4).binomial(50, 0.8, 400).astype(float)
    found = population(right, np.full(400, 50.0))
    assert found.a + found.b > 100
    assert found.mean == pytest.approx(0.8, abs=0.01)


def test_funnel_limits_hold_the_share_that_they_promise():
    n = np.array([10.0, 47.0, 300.0])
    low, high = funnel(n, target=0.85, level=0.95)
    for size, bottom, top in zip(n, low, high, strict=True):
        counts = np.arange(size + 1)
        outside = stats.binom.pmf(counts, size, 0.85)[(counts / size < bottom) | (counts / size > top)].sum()
        assert outside <= 0.05 + stats.binom.pmf(counts, size, 0.85).max() / 2
    # Interpolation by the book: r is the smallest count with F(r) >= .025.
    r = stats.binom.ppf(0.025, 47, 0.85)
    part = (stats.binom.cdf(r, 47, 0.85) - 0.025) / stats.binom.pmf(r, 47, 0.85)
    assert low[1] == pytest.approx((r - part) / 47)


def test_a_funnel_with_the_spread_between_annotators_is_wider():
    n = np.array([20.0, 200.0])
    narrow, wide = funnel(n, target=0.85, level=0.998), funnel(n, target=0.85, level=0.998, among=Population(17, 3))
    assert (wide[0] < narrow[0]).all()
    assert wide[0][1] == pytest.approx(0.85 - 3.0902 * (0.85 * 0.15 / 200 * 220 / 21) ** 0.5, abs=1e-4)
