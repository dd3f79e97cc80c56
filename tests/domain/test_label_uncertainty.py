"""What votes leave open about a label."""

import numpy as np
import pytest

from app.domain.aggregation import pseudo_votes, soft_labels
from app.domain.label_uncertainty import label_uncertainty
from app.domain.noise_ceiling import ceilings


def test_intervals_hold_the_truth_and_the_wrong_side_is_as_often_wrong_as_it_says():
    rng = np.random.default_rng(1)
    a = pseudo_votes(0.73)
    truth = rng.beta(a, a, 20_000)
    in_favour = rng.binomial(5, truth)
    p = (a + in_favour) / (2 * a + 5)
    found = label_uncertainty(p, np.full(20_000, 5.0), agreement=0.73)
    assert ((found.low <= truth) & (truth <= found.high)).mean() == pytest.approx(0.95, abs=0.006)
    assert found.wrong_side.mean() == pytest.approx(((p > 0.5) != (truth > 0.5)).mean(), abs=0.01)


def test_more_votes_are_surer_and_the_other_side_is_the_mirror():
    p, weight = np.array([0.8, 0.8, 0.2, 0.5]), np.array([3.0, 30.0, 3.0, 0.0])
    found = label_uncertainty(p, weight, agreement=0.73)
    assert found.wrong_side[1] < found.wrong_side[0] == pytest.approx(found.wrong_side[2])
    assert (found.low[0], found.high[0]) == pytest.approx((1 - found.high[2], 1 - found.low[2]))
    assert found.wrong_side[3] == pytest.approx(0.5)


def test_it_is_the_ceiling_of_the_labels_side():
    p = soft_labels(np.array([0, 0, 0]), np.array([1.0, 1, 0]), np.ones(3), n_items=1, agreement=0.73)
    _, side = ceilings(p, np.array([3]), 0.73)
    assert label_uncertainty(p, np.array([3.0]), agreement=0.73).wrong_side[0] == pytest.approx(1 - side[0])
