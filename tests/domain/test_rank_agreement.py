"""Rankings as pairs, tau-b and W, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain import rank_agreement as ra

ranks = st.lists(st.integers(1, 4), min_size=5, max_size=5)


@given(ranks, ranks)
@settings(deadline=None)
def test_tau_b_is_that_of_scipy(first, second):
    ours = float(ra.tau_b(np.array(first, float), np.array(second, float)))
    theirs = stats.kendalltau(first, second).statistic
    assert ours == pytest.approx(theirs, nan_ok=True)


def test_tau_b_is_over_what_both_have_ranked():
    first, second = np.array([[1, 2, np.nan, 3.0]]), np.array([[2, 1, 1, 3.0]])
    assert ra.tau_b(first, second) == pytest.approx([1 / 3])
    assert np.isnan(ra.tau_b(np.ones((1, 3)), np.array([[1.0, 2, 3]]))).all()


@given(st.lists(st.permutations([1.0, 2, 3, 4, 5]), min_size=2, max_size=6))
def test_w_without_ties_is_the_scatter_of_rank_sums(rankings):
    table = np.array(rankings)
    m, n = table.shape
    scatter = np.square(table.sum(axis=0) - m * (n + 1) / 2).sum()
    assert float(ra.kendalls_w(table)) == pytest.approx(12 * scatter / (m**2 * (n**3 - n)))


def test_w_with_ties_follows_friedmans_test():
    """W = chi squared / (m (n - 1)), with the same correction for ties."""
    table = np.array([[1, 2.5, 2.5, 4], [2, 1, 3.5, 3.5], [1.5, 1.5, 3, 4]])
    friedman = stats.friedmanchisquare(*table.T).statistic
    assert float(ra.kendalls_w(table)) == pytest.approx(friedman / (3 * 3))
    assert float(ra.kendalls_w(np.array([[1, 2, 2, 3], [1, 2, 2, 3.0]]))) == pytest.approx(1)
    assert np.isnan(ra.kendalls_w(np.ones((3, 4))))
    assert np.isnan(ra.kendalls_w(np.array([[1.0, 2, 3]])))


def test_expanded_pairs_by_hand():
    items, labels, rankings = ra.expanded_pairs(np.array([0, 1]), np.array([[1, 2, 2.0], [3, np.nan, 1]]))
    assert items.tolist() == [0, 1, 2, 4]
    assert labels.tolist() == [0, 0, 1, 2]
    assert rankings.tolist() == [0, 0, 0, 1]


def rankings_of(rng, *, tasks, noise):
    """Two annotators rank four responses by a common score with noise."""
    truth = np.repeat(rng.normal(size=(tasks, 4)), 2, axis=0)
    return np.repeat(np.arange(tasks), 2), stats.rankdata(truth + noise * rng.normal(size=truth.shape), axis=1)


def test_alpha_sym_of_expanded_pairs_does_not_depend_on_how_responses_are_numbered():
    rng = np.random.default_rng(1)
    tasks, table = rankings_of(rng, tasks=60, noise=0.7)

    def alpha(ranks):
        items, labels, _ = ra.expanded_pairs(tasks, ranks)
        counts = ag.label_counts(items, labels, n_items=360, n_labels=3)
        return float(ag.alpha_of(ag.coincidences(counts).sum(axis=0), mirror=ra.PAIR_MIRROR))

    assert alpha(table) == pytest.approx(alpha(table[:, [2, 0, 3, 1]]))
    assert alpha(table) == pytest.approx(float(np.nanmean(ra.tau_b(table[::2], table[1::2]))), abs=0.01)


def test_mean_tau_has_an_interval_over_prompts():
    rng = np.random.default_rng(2)
    tasks, table = rankings_of(rng, tasks=120, noise=0.7)
    found = ra.mean_tau(tasks, table, tasks // 2, rng=np.random.default_rng(3))
    assert found.value == pytest.approx(ra.tau_b(table[::2], table[1::2]).mean())
    assert (found.low < found.value < found.high, found.n) == (True, 120)
    assert ra.mean_tau(tasks, table, tasks // 2, rng=np.random.default_rng(3)) == found


def test_too_few_rankings_say_so():
    tasks, table = rankings_of(np.random.default_rng(4), tasks=20, noise=0.5)
    assert ra.mean_tau(tasks, table, tasks, rng=np.random.default_rng(1)).reason is ai.Reason.TOO_FEW_ITEMS
    alone = ra.mean_tau(np.arange(40), table, np.arange(40), rng=np.random.default_rng(1))
    assert alone.reason is ai.Reason.NO_OVERLAP
    flat = ra.mean_tau(tasks, np.ones_like(table), tasks, rng=np.random.default_rng(1))
    assert flat.reason is ai.Reason.NO_VARIATION
