import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import aggregation as ag


@pytest.mark.parametrize(
    ("agreement", "expected"), [(0.75, 0.5), (0.9, 0.125), (0.5, 4.5), (1.0, 0.01 / 0.98), (0.99, 0.01 / 0.98)]
)
def test_pseudo_votes_follow_agreement_within_its_bounds(agreement, expected):
    assert ag.pseudo_votes(agreement) == pytest.approx(expected)


def test_soft_label_by_hand():
    """Three votes at P = .75, so a = .5: two for the side, one tie: (.5 + 2.5) / (1 + 3)."""
    found = ag.soft_labels(np.array([0, 0, 0]), np.array([1.0, 1.0, 0.5]), np.ones(3), n_items=2, agreement=0.75)
    assert found.tolist() == [0.75, 0.5]


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=7), st.floats(0.5, 1.0))
def test_soft_label_of_the_other_side_is_the_complement(values, agreement):
    items, weights = np.zeros(len(values), dtype=np.int64), np.ones(len(values))
    left = ag.soft_labels(items, np.array(values), weights, n_items=1, agreement=agreement)
    right = ag.soft_labels(items, 1 - np.array(values), weights, n_items=1, agreement=agreement)
    assert left[0] + right[0] == pytest.approx(1)


def test_ties_go_to_the_label_that_is_named_first():
    counts = np.array([[2.0, 2.0, 1.0], [1.0, 3.0, 1.0], [2.0, 1.0, 2.0]])
    assert ag.most_voted(counts, ties_to=(2, 1, 0)).tolist() == [1, 1, 2]
    assert ag.most_voted(counts, ties_to=(0, 1, 2)).tolist() == [0, 1, 0]
