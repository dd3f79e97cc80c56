"""Agreement by slice and beside the experts."""

import numpy as np
import pytest

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain.agreement_slices import Standing, against_experts, by_slice

SIDES = np.array([1, 0])
STATISTICS = {"raw": ag.raw_of, "alpha_sym": ai.alpha_statistic(mirror=SIDES)}


def voted(rng, n_items, accuracy, votes=3):
    """(items, labels) of votes that are right with this probability."""
    truth = np.repeat(rng.integers(2, size=n_items), votes)
    return np.repeat(np.arange(n_items), votes), np.where(rng.random(truth.size) < accuracy, truth, 1 - truth)


def test_each_slice_has_the_agreement_of_its_own_votes_and_small_ones_have_none():
    rng = np.random.default_rng(1)
    items, labels = voted(rng, 200, 0.8)
    week = np.where(items < 120, 1, np.where(items < 171, 2, 3))
    found = by_slice(items, labels, items, week, STATISTICS, n_labels=2, rng=np.random.default_rng(2), replicates=200)
    assert [(name, slice_["raw"].n) for name, slice_ in found.items()] == [(1, 120), (2, 51), (3, 29)]
    counts = ag.label_counts(items[week == 2] - 120, labels[week == 2], n_items=51, n_labels=2)
    assert found[2]["raw"].value == pytest.approx(ag.raw_agreement(counts))
    assert found[2]["raw"].low < found[2]["raw"].value < found[2]["raw"].high
    assert found[3]["alpha_sym"] == ai.Estimate(None, None, None, 29, ai.Reason.TOO_FEW_ITEMS)


def test_votes_of_another_slice_on_the_same_item_do_not_count():
    items, labels = voted(np.random.default_rng(3), 100, 0.9, votes=2)
    version = np.tile([1, 2], 100)
    found = by_slice(items, labels, items, version, STATISTICS, n_labels=2, rng=np.random.default_rng(1), replicates=50)
    assert {slice_["raw"].n for slice_ in found.values()} == {0}


def compared(experts, annotators, n_expert_items=100, seed=1):
    rng = np.random.default_rng(seed)
    sides = []
    for accuracy, n_items, votes in ((experts, n_expert_items, 2), (annotators, 300, 3)):
        items, labels = voted(rng, n_items, accuracy, votes)
        sides += [ag.label_counts(items, labels, n_items=n_items, n_labels=2), np.arange(n_items)]
    return against_experts(*sides, STATISTICS["alpha_sym"], rng=rng, replicates=300)


@pytest.mark.parametrize(
    ("experts", "annotators", "standing"),
    [(0.95, 0.75, Standing.BELOW), (0.88, 0.88, Standing.LEVEL), (0.75, 0.95, Standing.REACHED)],
)
def test_where_a_project_stands(experts, annotators, standing):
    found = compared(experts, annotators)
    assert found.standing is standing
    assert found.difference.value == pytest.approx(found.annotators.value - found.experts.value)
    assert (found.experts.n, found.annotators.n) == (100, 300)


def test_too_few_expert_items_make_no_target():
    found = compared(0.9, 0.8, n_expert_items=20)
    assert (found.standing, found.experts.value) == (Standing.UNKNOWN, None)
    assert found.annotators.value is not None


def test_prompts_that_both_judged_cancel_in_the_difference():
    """Hard prompts are hard for both: drawn together, the difference is surer than either side's own error says."""
    rng = np.random.default_rng(5)
    accuracy = np.repeat(rng.choice([0.55, 0.99], size=40), 10)
    truth = rng.integers(2, size=400)

    def counts(votes):
        table = np.zeros((400, 2))
        for _ in range(votes):
            table[np.arange(400), np.where(rng.random(400) < accuracy, truth, 1 - truth)] += 1
        return table

    experts, annotators, prompts = counts(2), counts(3), np.repeat(np.arange(40), 10)
    together = against_experts(experts, prompts, annotators, prompts, ag.raw_of, rng=rng, replicates=300)
    apart = against_experts(experts, prompts, annotators, prompts + 40, ag.raw_of, rng=rng, replicates=300)
    assert together.difference.high - together.difference.low < 0.8 * (apart.difference.high - apart.difference.low)
