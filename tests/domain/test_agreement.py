"""Textbook values, oracles and invariances of agreement."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai

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


def test_quadratic_kappa_forgives_neighbours():
    neighbours, opposites = np.full((3, 3), 2.0), np.full((3, 3), 2.0)
    neighbours[0, 1] = neighbours[1, 0] = opposites[0, 2] = opposites[2, 0] = 12.0
    weights = ag.quadratic_weights(3)
    assert ag.cohen(neighbours, weights=weights) > ag.cohen(opposites, weights=weights) + 0.3
    assert ag.cohen(np.array([[20.0, 5], [10, 15]]), weights=ag.quadratic_weights(2)) == pytest.approx(0.400)


def test_pairs_of_annotators_have_weighted_kappas_too(three_annotators):
    items, annotators, labels = three_annotators
    labels = labels + np.random.default_rng(1).integers(2, size=labels.size)
    found = ai.pair_kappas(
        items, annotators, labels, items, n_labels=3, weights=ag.quadratic_weights(3), rng=np.random.default_rng(1)
    )[0]
    table = np.zeros((3, 3))
    np.add.at(table, (labels[annotators == 2], labels[annotators == 5]), 1)
    assert found.kappa.value == pytest.approx(ag.cohen(table, weights=ag.quadratic_weights(3)))
    assert found.kappa.low < found.kappa.value < found.kappa.high


def test_ac2_has_an_interval():
    weights = ag.quadratic_weights(3)
    counts = np.insert(simulate(np.random.default_rng(2), 100), 1, 0.0, axis=1)
    found = ai.estimate_all(
        counts,
        np.arange(100),
        {"ac2": lambda sums: ag.gwet_of(sums, weights=weights)},
        rng=np.random.default_rng(1),
        weights=weights,
    )["ac2"]
    assert found.value == pytest.approx(ag.gwet(counts, weights=weights))
    assert found.low < found.value < found.high


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
    observed = [ag.coincidences(table).sum(axis=0) for table in (counts, swapped)]
    # One label alone is said to be no variation; the exchange makes two labels of it, and perfect agreement.
    assume(all((table.sum(axis=0) > 0).sum() > 1 for table in observed))
    values = [float(ag.alpha_of(table, mirror=SIDES)) for table in observed]
    assert values[0] == pytest.approx(values[1], nan_ok=True, abs=1e-9)


@given(votes_per_item, st.permutations(range(3)))
@settings(max_examples=60, deadline=None)
def test_nominal_coefficients_do_not_move_when_labels_are_renamed(votes, renamed):
    counts = table_of(votes)
    other = counts[:, list(renamed)]

    def alpha(table):
        return ag.number(ag.alpha_of(ag.coincidences(table).sum(axis=0)))

    for coefficient in (ag.gwet, ag.fleiss, ag.raw_agreement, alpha):
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


STATISTICS = {
    "raw": ag.raw_of,
    "alpha_sym": ai.alpha_statistic(mirror=SIDES),
    "alpha_nominal": ai.alpha_statistic(),
    "alpha_ordinal": ai.alpha_statistic(metric="ordinal"),
    "ac1": ag.gwet_of,
    "fleiss": ag.fleiss_of,
}


def estimates(counts, clusters=None, **options):
    clusters = np.arange(len(counts)) if clusters is None else clusters
    return ai.estimate_all(counts, clusters, STATISTICS, rng=np.random.default_rng(1), **options)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_no_variation_is_said_and_not_given_a_number(label):
    counts = np.zeros((40, 3))
    counts[:, label] = 3
    found = estimates(counts)
    del found["raw"]  # that all pairs of votes agree is so, with or without variation
    assert {(e.value, e.low, e.high, e.n, e.reason) for e in found.values()} == {
        (None, None, None, 40, ai.Reason.NO_VARIATION)
    }
    assert (ag.gwet(counts), ag.fleiss(counts), ag.cohen(np.diag(counts[0]))) == (None, None, None)


def test_raw_agreement_of_one_label_is_all_without_an_interval():
    counts = np.zeros((40, 3))
    counts[:, 0] = 3
    assert estimates(counts)["raw"] == ai.Estimate(1.0, None, None, 40, ai.Reason.NO_SPREAD)


def test_perfect_agreement_has_a_value_and_no_interval_of_no_width():
    counts = np.tile(np.eye(3) * 2, (20, 1))
    assert {(e.value, e.low, e.reason) for e in estimates(counts).values()} == {(1.0, None, ai.Reason.NO_SPREAD)}


def test_a_label_that_most_resamples_miss_leaves_no_interval():
    counts = np.zeros((60, 3))
    counts[:, 0] = 2
    counts[0] = [1, 1, 0]
    found = estimates(counts)["alpha_nominal"]
    assert found.value is not None
    assert (found.low, found.reason) == (None, ai.Reason.RARE_LABELS)


@pytest.mark.parametrize(
    ("items", "clusters", "reason"),
    [(29, 29, ai.Reason.TOO_FEW_ITEMS), (90, 9, ai.Reason.TOO_FEW_PROMPTS), (90, 10, None), (30, 30, None)],
)
def test_too_little_to_draw_from_is_said(items, clusters, reason):
    counts = simulate(np.random.default_rng(5), items)
    counts = np.column_stack([counts[:, 0], np.zeros(items), counts[:, 1]])
    for found in estimates(counts, np.arange(items) % clusters).values():
        assert found.value is not None
        assert (found.low is None, found.reason) == (reason is not None, reason)


def test_items_without_overlap_are_not_drawn_but_count_for_the_label_shares():
    counts = simulate(np.random.default_rng(6), 50)
    single = np.zeros((400, 2))
    single[:, 0] = 1
    both = np.concatenate([counts, single])
    alone = ai.estimate_all(counts, np.arange(50), {"raw": ag.raw_of}, rng=np.random.default_rng(1))
    among = ai.estimate_all(both, np.arange(450), {"raw": ag.raw_of, "ac1": ag.gwet_of}, rng=np.random.default_rng(1))
    assert among["raw"] == alone["raw"]
    assert among["ac1"].value == pytest.approx(ag.gwet(both))
    assert among["ac1"].low < among["ac1"].value < among["ac1"].high


def test_votes_on_one_prompt_that_agree_with_each_other_widen_the_interval():
    rng = np.random.default_rng(8)
    easy = np.repeat(rng.random(40) < 0.5, 10)
    counts = np.where(easy[:, None], simulate(rng, 400, accuracy=0.99), simulate(rng, 400, accuracy=0.55))
    statistic = {"raw": ag.raw_of}

    def width(clusters):
        found = ai.estimate_all(counts, clusters, statistic, rng=np.random.default_rng(1))["raw"]
        return found.high - found.low

    assert width(np.repeat(np.arange(40), 10)) > 1.5 * width(np.arange(400))


def test_of_very_many_clusters_that_are_alike_the_kinds_are_drawn_and_the_interval_is_the_same(monkeypatch):
    counts = np.insert(simulate(np.random.default_rng(10), 6000), 1, 0.0, axis=1)
    by_kind = estimates(counts)
    monkeypatch.setattr(ag, "_MANY", 10_000)
    one_by_one = estimates(counts, replicates=300)
    for name, found in by_kind.items():
        assert found.value == one_by_one[name].value
        width = one_by_one[name].high - one_by_one[name].low
        assert (found.low, found.high) == pytest.approx((one_by_one[name].low, one_by_one[name].high), abs=0.12 * width)


def test_percentiles_move_outwards_for_few_clusters():
    assert ai.tails(10_000)[0] == pytest.approx(0.025, abs=1e-4)
    assert ai.tails(20)[0] == pytest.approx(
        0.01588, abs=2e-4
    )  # Hesterberg 2015: normal cdf of -sqrt(20/19) t(.975, 19)
    assert ai.tails(20)[1] == pytest.approx(1 - ai.tails(20)[0])


def test_single_votes_are_no_overlap():
    found = ai.estimate_alpha(np.eye(2), np.arange(2), rng=np.random.default_rng(1))
    assert (found.value, found.n, found.reason) == (None, 0, ai.Reason.NO_OVERLAP)


def simulate(rng, items, accuracy=0.8, votes=3):
    truth = rng.integers(2, size=items)
    counts = np.zeros((items, 2))
    for _ in range(votes):
        given_labels = np.where(rng.random(items) < accuracy, truth, 1 - truth)
        counts[np.arange(items), given_labels] += 1
    return counts


@pytest.mark.parametrize(("items", "at_least"), [(30, 0.90), (100, 0.91)])
def test_bootstrap_intervals_cover_about_what_they_promise(items, at_least):
    """Short; `make prove NAME=agreement` counts thousands."""
    rng = np.random.default_rng(7)
    truth = {"raw": 0.68, "alpha_sym": 2 * 0.68 - 1, "ac1": 2 * 0.68 - 1, "fleiss": 2 * 0.68 - 1}
    statistics = {"raw": ag.raw_of, "alpha_sym": ai.alpha_statistic(mirror=np.array([1, 0]))}
    statistics |= {"ac1": ag.gwet_of, "fleiss": ag.fleiss_of}
    hits = dict.fromkeys(truth, 0)
    for _ in range(200):
        found = ai.estimate_all(simulate(rng, items), np.arange(items), statistics, rng=rng, replicates=300)
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    for name, times in hits.items():
        assert at_least <= times / 200 <= 0.99, name


def test_four_hundred_overlapped_items_give_a_half_width_of_about_six_hundredths():
    found = estimates(np.insert(simulate(np.random.default_rng(9), 400), 1, 0.0, axis=1))["alpha_sym"]
    assert (found.high - found.low) / 2 == pytest.approx(0.06, abs=0.012)


@pytest.fixture
def three_annotators():
    """5 and 2 share 60 items, 9 shares 31 with each; (items, annotators, labels)."""
    items = np.repeat(np.arange(60), 3)
    annotators = np.tile([5, 2, 9], 60)
    labels = np.random.default_rng(3).integers(2, size=180)
    keep = ~((annotators == 9) & (items >= 31))
    return items[keep], annotators[keep], labels[keep]


def kappas(items, annotators, labels, clusters=None):
    clusters = items if clusters is None else clusters
    return ai.pair_kappas(items, annotators, labels, clusters, n_labels=2, rng=np.random.default_rng(1))


def test_kappa_of_pairs_names_those_with_most_items_in_common(three_annotators):
    items, annotators, labels = three_annotators
    found = kappas(items, annotators, labels)
    assert [(pair.first, pair.second, pair.n_items) for pair in found] == [(2, 5, 60), (2, 9, 31), (5, 9, 31)]
    first, second = labels[annotators == 2], labels[annotators == 5]
    table = np.zeros((2, 2))
    np.add.at(table, (first, second), 1)
    assert found[0].kappa.value == pytest.approx(ag.cohen(table))
    assert found[0].kappa.low < found[0].kappa.value < found[0].kappa.high


def test_pairs_with_fewer_than_thirty_shared_items_are_left_out(three_annotators):
    items, annotators, labels = three_annotators
    keep = ~((annotators == 9) & (items >= 29))
    assert [(pair.first, pair.second) for pair in kappas(items[keep], annotators[keep], labels[keep])] == [(2, 5)]


def test_at_most_fifty_pairs_are_given():
    items, annotators = np.repeat(np.arange(30), 11), np.tile(np.arange(11), 30)  # 55 pairs
    labels = np.random.default_rng(4).integers(2, size=330)
    assert len(kappas(items, annotators, labels)) == 50


def test_a_pair_says_why_it_has_no_kappa_or_no_interval(three_annotators):
    items, annotators, labels = three_annotators
    assert {pair.kappa.reason for pair in kappas(items, annotators, labels, items % 7)} == {ai.Reason.TOO_FEW_PROMPTS}
    always = kappas(items, annotators, np.zeros_like(labels))
    assert {(pair.kappa.value, pair.kappa.reason) for pair in always} == {(None, ai.Reason.NO_VARIATION)}


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_who_is_called_what_and_the_order_of_votes_change_no_coefficient(renamed, seed):
    rng = np.random.default_rng(seed)
    items, annotators = np.repeat(np.arange(40), 6), np.tile(np.arange(6), 40)
    labels = rng.integers(3, size=240)
    order = rng.permutation(240)

    def values(items, annotators, labels):
        counts = ag.label_counts(items, labels, n_items=40, n_labels=3)
        pairs = ai.pair_kappas(items, annotators, labels, items, n_labels=3, rng=rng, replicates=100)
        return {name: e.value for name, e in estimates(counts, replicates=10).items()}, sorted(
            round(pair.kappa.value, 9) for pair in pairs
        )

    before, after = (
        values(items, annotators, labels),
        values(items[order], np.array(renamed)[annotators[order]], labels[order]),
    )
    assert before[0] == pytest.approx(after[0], abs=1e-9)
    assert before[1] == after[1]
