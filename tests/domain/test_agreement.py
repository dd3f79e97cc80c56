"""Textbook values, oracles and invariances of agreement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import agreement as ag

KRIPPENDORFF_2011 = """
1 2 3 3 2 1 4 1 2 - - -
1 2 3 3 2 2 4 1 2 5 - 3
- 3 3 3 2 3 4 2 2 5 1 -
1 2 3 3 2 4 4 1 2 5 1 -
"""


def counts_of(table: str) -> np.ndarray:
    rows = [line.split() for line in table.strip().splitlines()]
    labels = max(int(cell) for row in rows for cell in row if cell != "-")
    counts = np.zeros((len(rows[0]), labels))
    for row in rows:
        for item, cell in enumerate(row):
            if cell != "-":
                counts[item, int(cell) - 1] += 1
    return counts


@pytest.mark.parametrize(
    ("metric", "expected"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491), ("ratio", 0.7974)]
)
def test_krippendorffs_own_example(metric, expected):
    observed = ag.coincidences(counts_of(KRIPPENDORFF_2011)).sum(axis=0)
    assert float(ag.alpha_of(observed, metric=metric)) == pytest.approx(expected, abs=5e-5)


def test_gwets_coefficients_on_krippendorffs_example():
    counts = counts_of(KRIPPENDORFF_2011)
    assert ag.gwet(counts) == pytest.approx(0.77544, abs=5e-6)
    assert ag.gwet(counts, weights=ag.quadratic_weights(5)) == pytest.approx(0.91400, abs=5e-6)


def counts_of_cross_table(table):
    table = np.asarray(table)
    rows = []
    for i, line in enumerate(table):
        for j, times in enumerate(line):
            vote = np.zeros(len(table))
            vote[i] += 1
            vote[j] += 1
            rows += [vote] * int(times)
    return np.array(rows)


def test_gwets_paradox():
    table = np.array([[118.0, 5], [2, 0]])
    counts = counts_of_cross_table(table)
    assert ag.raw_agreement(counts) == pytest.approx(0.944)
    assert ag.cohen(table) == pytest.approx(-0.0234, abs=5e-5)
    assert float(ag.alpha_of(ag.coincidences(counts).sum(axis=0))) == pytest.approx(-0.0247, abs=5e-5)
    assert ag.gwet(counts) == pytest.approx(0.9408, abs=5e-5)


def test_cohens_kappa():
    assert ag.cohen(np.array([[20.0, 5], [10, 15]])) == pytest.approx(0.400)


def test_fleiss_own_table():
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ],
        dtype=float,
    )
    assert ag.fleiss(counts) == pytest.approx(0.20993, abs=5e-6)


SIDES = np.array([1, 0, 2])  # A and B exchange places, a tie stays one

votes_per_item = st.lists(st.lists(st.integers(0, 2), min_size=0, max_size=5), min_size=4, max_size=30)


def table_of(votes):
    counts = np.zeros((len(votes), 3))
    for item, labels in enumerate(votes):
        for label in labels:
            counts[item, label] += 1
    return counts


@given(votes_per_item, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_alpha_sym_does_not_move_when_the_sides_of_any_item_are_exchanged(votes, random):
    counts = table_of(votes)
    swapped = counts.copy()
    for item in range(len(counts)):
        if random.random() < 0.5:
            swapped[item] = counts[item][SIDES]
    values = [float(ag.alpha_of(ag.coincidences(c).sum(axis=0), mirror=SIDES)) for c in (counts, swapped)]
    assert values[0] == pytest.approx(values[1], nan_ok=True, abs=1e-9)


@given(votes_per_item, st.permutations(range(3)))
@settings(max_examples=60, deadline=None)
def test_nominal_coefficients_do_not_move_when_labels_are_renamed(votes, renamed):
    counts = table_of(votes)
    other = counts[:, list(renamed)]
    for coefficient in (ag.gwet, ag.fleiss, ag.raw_agreement):
        left, right = coefficient(counts), coefficient(other)
        assert (left is None) == (right is None)
        if left is not None:
            assert left == pytest.approx(right, abs=1e-9)


def test_alpha_sym_of_binary_votes_is_twice_raw_agreement_less_one():
    rng = np.random.default_rng(1)
    counts = np.zeros((20_000, 2))
    truth = rng.random(20_000) < 0.9
    for _ in range(2):
        votes = np.where(rng.random(20_000) < 0.8, truth, ~truth).astype(int)
        counts[np.arange(20_000), votes] += 1
    alpha = float(ag.alpha_of(ag.coincidences(counts).sum(axis=0), mirror=np.array([1, 0])))
    assert alpha == pytest.approx(2 * ag.raw_agreement(counts) - 1, abs=1e-4)


def test_no_variation_is_said_and_not_given_a_number():
    counts = np.zeros((40, 2))
    counts[:, 0] = 3
    found = ag.estimate_alpha(counts, np.arange(40), rng=np.random.default_rng(1))
    assert (found.value, found.reason) == (None, ag.Reason.NO_VARIATION)


def test_single_votes_are_no_overlap():
    found = ag.estimate_alpha(np.eye(2), np.arange(2), rng=np.random.default_rng(1))
    assert (found.value, found.n, found.reason) == (None, 0, ag.Reason.NO_OVERLAP)


def simulate(rng, items, accuracy=0.8, votes=3):
    truth = rng.integers(2, size=items)
    counts = np.zeros((items, 2))
    for _ in range(votes):
        given_labels = np.where(rng.random(items) < accuracy, truth, 1 - truth)
        counts[np.arange(items), given_labels] += 1
    return counts


@pytest.mark.parametrize(("items", "at_least"), [(30, 0.86), (100, 0.90)])
def test_bootstrap_intervals_cover_about_what_they_promise(items, at_least):
    rng = np.random.default_rng(7)
    truth = 2 * (0.8**2 + 0.2**2) - 1
    hits = 0
    for _ in range(200):
        found = ag.estimate_alpha(
            simulate(rng, items), np.arange(items), rng=rng, mirror=np.array([1, 0]), replicates=300
        )
        hits += found.low <= truth <= found.high
    assert at_least <= hits / 200 <= 0.99


def test_kappa_of_pairs_names_those_with_most_items_in_common():
    rng = np.random.default_rng(3)
    items = np.repeat(np.arange(60), 3)
    annotators = np.tile([5, 2, 9], 60)
    labels = rng.integers(2, size=180)
    keep = ~((annotators == 9) & (items >= 31))
    found = ag.pair_kappas(items[keep], annotators[keep], labels[keep], n_labels=2)
    assert [(pair.first, pair.second, pair.n_items) for pair in found] == [(2, 5, 60), (2, 9, 31), (5, 9, 31)]
    first, second = labels[annotators == 2], labels[annotators == 5]
    table = np.zeros((2, 2))
    np.add.at(table, (first, second), 1)
    assert found[0].kappa == pytest.approx(ag.cohen(table))
