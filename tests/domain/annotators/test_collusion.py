"""Pairs that agree too much."""

import numpy as np
import pytest

from app.domain.annotators.collusion import pair_excess
from app.domain.dawid_skene import dawid_skene
from app.domain.disagreement import discoveries


def desk(rng, *, copies=0.0, n=20, items=400, overlap=5):
    """Annotators who are right in 80%; the second copies the first on this share of what both judge."""
    annotators = np.concatenate([rng.permutation(n)[:overlap] for _ in range(items)])
    item = np.repeat(np.arange(items), overlap)
    truth = rng.integers(2, size=items)
    labels = np.where(rng.random(len(item)) < 0.8, truth[item], 1 - truth[item])
    answer = {int(i): label for i, who, label in zip(item, annotators, labels, strict=True) if who == 0}
    for row in np.flatnonzero(annotators == 1):
        if int(item[row]) in answer and rng.random() < copies:
            labels[row] = answer[int(item[row])]
    model = dawid_skene(item, annotators, labels, n_items=items, n_annotators=n, n_labels=2)
    return pair_excess(item, annotators, labels, model)


def test_a_pair_that_copies_is_found_among_190():
    found = desk(np.random.default_rng(1), copies=1.0, items=2000)
    is_found = discoveries(found.p_values)
    assert list(zip(found.first[is_found], found.second[is_found], strict=True)) == [(0, 1)]
    assert found.agreed[is_found][0] == found.n_items[is_found][0]


def test_who_works_apart_is_seldom_found():
    shares = [discoveries(desk(np.random.default_rng(seed)).p_values).any() for seed in range(20)]
    assert np.mean(shares) <= 0.2


def test_expected_agreement_is_that_of_two_who_are_right_apart():
    found = desk(np.random.default_rng(2), items=2000)
    assert found.expected.sum() / found.n_items.sum() == pytest.approx(0.8**2 + 0.2**2, abs=0.02)
    assert found.agreed.sum() / found.n_items.sum() == pytest.approx(
        found.expected.sum() / found.n_items.sum(), abs=0.02
    )
    assert (found.first < found.second).all()
    assert (found.n_items >= 10).all()


def test_no_pairs_are_no_error():
    alone = np.arange(5)
    model = dawid_skene(alone, alone, np.zeros(5, int), n_items=5, n_annotators=5, n_labels=2)
    assert len(pair_excess(alone, alone, np.zeros(5, int), model).p_values) == 0
