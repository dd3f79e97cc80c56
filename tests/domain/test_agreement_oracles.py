"""Agreement against two libraries that are used nowhere else: krippendorff and statsmodels."""

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats import inter_rater

from app.domain import agreement as ag

MISSING = None
ratings = st.integers(2, 5).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([MISSING, 1, 2, 3, 4, 5]), min_size=raters, max_size=raters), min_size=3, max_size=25
    )
)
"""Items x raters, with missing votes."""


def counts_of(items):
    counts = np.zeros((len(items), 5))
    for item, labels in enumerate(items):
        for label in labels:
            if label is not MISSING:
                counts[item, label - 1] += 1
    return counts


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
@given(items=ratings)
@settings(max_examples=60, deadline=None)
def test_alpha_is_that_of_krippendorff(metric, items):
    counts = counts_of(items)
    overlapping = counts[counts.sum(axis=1) >= 2]
    assume(np.count_nonzero(overlapping.sum(axis=0)) > 1)
    theirs = krippendorff.alpha(
        value_counts=counts, value_domain=[1.0, 2.0, 3.0, 4.0, 5.0], level_of_measurement=metric
    )
    ours = float(ag.alpha_of(ag.coincidences(counts).sum(axis=0), metric=metric))
    assert ours == pytest.approx(theirs, abs=1e-9)


@given(items=ratings)
@settings(max_examples=60, deadline=None)
def test_fleiss_is_that_of_statsmodels(items):
    """Theirs wants the same number of votes everywhere."""
    counts = counts_of([[label or 1 for label in row] for row in items])
    assume(np.count_nonzero(counts.sum(axis=0)) > 1)
    assert ag.fleiss(counts) == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-9)


@given(table=st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_cohen_is_that_of_statsmodels(table):
    table = np.array(table, dtype=float)
    assume(ag.cohen(table) is not None)
    assert ag.cohen(table) == pytest.approx(inter_rater.cohens_kappa(table, return_results=False), abs=1e-9)


@given(table=st.lists(st.lists(st.integers(0, 30), min_size=4, max_size=4), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_weighted_kappa_is_that_of_statsmodels(table):
    table = np.array(table, dtype=float)
    assume(ag.cohen(table, weights=ag.quadratic_weights(4)) is not None)
    theirs = inter_rater.cohens_kappa(table, wt="quadratic", return_results=False)
    assert ag.cohen(table, weights=ag.quadratic_weights(4)) == pytest.approx(theirs, abs=1e-9)
