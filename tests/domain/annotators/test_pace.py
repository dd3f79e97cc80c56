"""Pace: time beside length, unmoved by breaks."""

import numpy as np
import pytest

from app.domain.annotators.pace import medians, pace


def timed(rng, n=4000):
    annotators = rng.integers(40, size=n)
    characters = rng.integers(100, 5000, size=n).astype(float)
    seconds = np.exp(0.5 + 0.4 * np.log1p(characters) + 0.3 * rng.normal(size=n))
    return annotators, seconds, characters


def test_breaks_do_not_move_the_line():
    rng = np.random.default_rng(1)
    annotators, seconds, characters = timed(rng)
    seconds[rng.random(len(seconds)) < 0.05] *= 200
    found = pace(annotators, seconds, characters, n_annotators=40)
    assert found.slope == pytest.approx(0.4, abs=0.02)
    assert found.intercept == pytest.approx(0.5, abs=0.15)
    assert found.scale == pytest.approx(0.3, abs=0.03)


def test_who_is_three_times_as_fast_is_seen_with_an_interval():
    annotators, seconds, characters = timed(np.random.default_rng(2))
    seconds[annotators == 7] /= 3
    found = pace(annotators, seconds, characters, n_annotators=41)
    assert found.annotators.value[:40].argmin() == 7
    assert found.annotators.high[7] < -2
    assert np.abs(np.delete(found.annotators.value[:40], 7)).max() < 1
    assert np.isnan(found.annotators.value[40])


def test_medians_by_group():
    rng = np.random.default_rng(3)
    groups, values = rng.integers(12, size=300), rng.normal(size=300)
    found = medians(groups, values, n_groups=13)
    for group in range(12):
        assert found.value[group] == pytest.approx(np.median(values[groups == group]))
    assert (found.low[:12] <= found.value[:12]).all()
    assert (found.value[:12] <= found.high[:12]).all()
    few = medians(np.zeros(5, int), np.arange(5.0), n_groups=1)
    assert (few.value[0], np.isnan(few.low[0])) == (2.0, True)


def test_intervals_of_medians_hold_the_truth():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(2000), 25)
    found = medians(groups, rng.normal(size=50_000), n_groups=2000)
    assert ((found.low <= 0) & (found.high >= 0)).mean() >= 0.94


@pytest.mark.parametrize("seconds", [[1.0, 2.0], [1.0, 0.0, 2.0]])
def test_too_little_and_no_time_at_all_are_refused(seconds):
    with pytest.raises(ValueError, match=r"three|time"):
        pace(np.zeros(len(seconds), int), np.array(seconds), np.ones(len(seconds)), n_annotators=1)
