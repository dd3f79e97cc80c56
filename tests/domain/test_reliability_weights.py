import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import agreement as agreements
from app.domain.aggregation import soft_labels
from app.domain.reliability_weights import reliability_weights, weighted_side_agreement

PAIRS, PEOPLE = 6, 5
votes = st.lists(
    st.tuples(st.integers(0, PAIRS - 1), st.integers(0, PEOPLE - 1), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
    min_size=1,
    max_size=30,
    unique_by=lambda vote: vote[:2],
)


def arrays(given_votes):
    items, annotators, values = zip(*given_votes, strict=True)
    return np.array(items), np.array(annotators), np.array(values)


def found(items, annotators, values, *, n_items=PAIRS, n_annotators=PEOPLE, **knobs):
    return reliability_weights(items, annotators, values, n_items=n_items, n_annotators=n_annotators, **knobs)


def labels(items, values, weights, *, n_items):
    """Soft labels as a data set makes them: P is measured with the same weights."""
    agreement = weighted_side_agreement(items, values, weights, n_items=n_items)
    return soft_labels(items, values, weights, n_items=n_items, agreement=agreement)


def crowd(seed, *, pairs=600, overlap=5, people=100, skill=0.8, spammers=0.3):
    """Votes of honest people and of spammers: random clickers, and one in four who answers against the truth."""
    rng = np.random.default_rng(seed)
    items = np.repeat(np.arange(pairs), overlap)
    annotators = rng.permuted(np.tile(np.arange(people), (pairs, 1)), axis=1)[:, :overlap].ravel()
    truth = rng.integers(2, size=pairs)
    right = np.full(people, skill)
    bad = rng.permutation(people)[: int(spammers * people)]
    right[bad] = np.where(np.arange(len(bad)) % 4 == 0, 0.2, 0.5)
    values = np.where(rng.random(len(items)) < right[annotators], truth[items], 1 - truth[items]).astype(float)
    return items, annotators, values, truth, bad


@settings(deadline=None)
@given(votes, st.lists(st.booleans(), min_size=PAIRS, max_size=PAIRS))
def test_which_response_of_a_pair_is_called_the_first_does_not_matter(given_votes, swapped):
    items, annotators, values = arrays(given_votes)
    there = found(items, annotators, values)
    back = found(items, annotators, np.where(np.array(swapped)[items], 1 - values, values))
    assert back.weight == pytest.approx(there.weight, abs=1e-6)


@settings(deadline=None)
@given(votes, st.permutations(range(PEOPLE)), st.randoms(use_true_random=False))
def test_names_of_annotators_and_the_order_of_votes_do_not_matter(given_votes, names, random):
    there = found(*arrays(given_votes))
    shuffled = [(item, names[annotator], value) for item, annotator, value in given_votes]
    random.shuffle(shuffled)
    back = found(*arrays(shuffled))
    assert back.weight[names] == pytest.approx(there.weight, abs=1e-6)


@settings(deadline=None)
@given(votes)
def test_no_vote_counts_for_the_other_side_and_all_weigh_at_most_their_number(given_votes):
    items, annotators, values = arrays(given_votes)
    result = found(items, annotators, values)
    assert (result.weight >= 0).all()
    assert (result.accuracy >= 0.5).all()
    assert result.weight[annotators].sum() <= len(items) + 1e-9


@settings(deadline=None)
@given(votes)
def test_agreement_with_equal_weights_is_raw_agreement_of_the_sides(given_votes):
    items, _annotators, values = arrays(given_votes)
    sided = values != 0.5
    counts = agreements.label_counts(items[sided], (values[sided] > 0.5).astype(int), n_items=PAIRS, n_labels=2)
    raw = agreements.raw_agreement(counts)
    assert weighted_side_agreement(items, values, np.ones(len(items)), n_items=PAIRS) == (
        None if raw is None else pytest.approx(raw)
    )


def test_agreement_by_weights_by_hand():
    """Votes A A B that weigh 2, 1, 1: of products 2 + 2 + 1 the 2 agree."""
    items, values = np.zeros(3, dtype=int), np.array([1.0, 1.0, 0.0])
    assert weighted_side_agreement(items, values, np.array([2.0, 1.0, 1.0]), n_items=1) == pytest.approx(0.4)


def test_one_step_by_hand():
    """From .8 for all, A A B has log-odds ln 4 for A: with no prior accuracies are .8, .8 and .2, kept at one half."""
    items, annotators, values = np.zeros(3, dtype=int), np.arange(3), np.array([1.0, 1.0, 0.0])
    one = found(items, annotators, values, n_items=1, n_annotators=3, prior_votes=0.0, max_iterations=1)
    assert one.accuracy == pytest.approx([0.8, 0.8, 0.5])
    assert one.pool_accuracy == pytest.approx(0.6)
    assert one.weight == pytest.approx([1, 1, 0])
    prior = found(items, annotators, values, n_items=1, n_annotators=3, prior_votes=1.0, max_iterations=1)
    assert prior.accuracy == pytest.approx([0.7, 0.7, 0.5])


def test_ties_are_evidence_neither_for_nor_against_anybody():
    items, annotators, values, _truth, _bad = crowd(0, pairs=60, people=12)
    without = found(items, annotators, values, n_items=80, n_annotators=12)
    more = np.arange(60, 80).repeat(3)
    with_ties = found(
        np.concatenate([items, more]),
        np.concatenate([annotators, np.tile([0, 1, 2], 20)]),
        np.concatenate([values, np.full(60, 0.5)]),
        n_items=80,
        n_annotators=12,
    )
    assert with_ties.accuracy == pytest.approx(without.accuracy)


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0], [0.5, 0.5, 0.5]])
def test_where_nothing_tells_annotators_apart_every_vote_weighs_one(values):
    """One vote a pair, or only ties."""
    alone = found(np.arange(3), np.arange(3), np.array(values), n_items=3, n_annotators=3)
    assert alone.weight == pytest.approx(np.ones(3))


def test_two_who_always_disagree_are_not_told_apart():
    items, annotators = np.repeat(np.arange(20), 2), np.tile([0, 1], 20)
    result = found(items, annotators, np.tile([1.0, 0.0], 20), n_items=20, n_annotators=2)
    assert result.weight == pytest.approx([1, 1])


def test_few_votes_move_nobody_far():
    """Against all others on one pair of two hundred: the newcomer keeps most of a vote, the old hand's weight is 1."""
    items, annotators, values, _truth, _bad = crowd(1, pairs=200, people=20, spammers=0)
    against = 1.0 - (values[items == 0].mean() > 0.5)
    result = found(
        np.append(items, 0), np.append(annotators, 20), np.append(values, against), n_items=200, n_annotators=21
    )
    assert 0.6 < result.weight[20] < 1


def test_a_minority_that_disagrees_on_some_questions_keeps_its_voice():
    """Three of ten see a fifth of the pairs the other way, and judge the rest as well as all others."""
    items, annotators, values, truth, _bad = crowd(2, people=10, spammers=0)
    other_view = (annotators < 3) & (items % 5 == 0)
    values = np.where(
        other_view, np.random.default_rng(0).random(len(items)) < np.where(truth, 0.2, 0.8)[items], values
    )
    weight = found(items, annotators, values, n_items=600, n_annotators=10).weight
    assert weight[:3].min() > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_with_spammers_weighted_labels_are_nearer_to_the_truth_than_the_majority(seed):
    items, annotators, values, truth, bad = crowd(seed)
    result = found(items, annotators, values, n_items=600, n_annotators=100)
    assert result.has_converged
    honest = np.setdiff1d(np.arange(100), bad)
    assert result.weight[bad].mean() < 0.4 * result.weight[honest].mean()

    def measured(weights):
        p = labels(items, values, weights, n_items=600)
        right = np.where(p == 0.5, 0.5, (p > 0.5) == (truth == 1))
        return right.mean(), -np.log(np.where(truth == 1, p, 1 - p)).mean()

    alike, weighted = measured(np.ones(len(items))), measured(result.weight[annotators])
    assert weighted[0] > alike[0] + 0.03
    assert weighted[1] < alike[1] - 0.1


def test_among_honest_people_alike_weights_cost_next_to_nothing():
    lost = []
    for seed in range(5):
        items, annotators, values, truth, _bad = crowd(seed, people=400, spammers=0)
        result = found(items, annotators, values, n_items=600, n_annotators=400)
        sides = [
            labels(items, values, weights, n_items=600) > 0.5
            for weights in (np.ones(len(items)), result.weight[annotators])
        ]
        lost.append((sides[0] == truth).mean() - (sides[1] == truth).mean())
    assert np.mean(lost) < 0.01
