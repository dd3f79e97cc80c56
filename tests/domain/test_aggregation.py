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


def accuracy(posterior, truth):
    return float((posterior.argmax(axis=1) == truth).mean())


def crowd(rng, *, items=1500, votes=3, per_annotator=4, clickers=0.2, skill=0.85):
    """Few votes an annotator and some who click at random, as REFERENCES describes."""
    n_annotators = items * votes // per_annotator
    annotators = np.repeat(np.arange(n_annotators), per_annotator)
    rng.shuffle(annotators)
    item = np.repeat(np.arange(items), votes)
    truth = rng.integers(2, size=items)
    right = np.where(rng.random(n_annotators) < clickers, 0.5, skill)
    labels = np.where(rng.random(item.size) < right[annotators], truth[item], 1 - truth[item])
    return item, annotators, labels, truth, n_annotators


def test_the_prior_keeps_dawid_skene_from_believing_annotators_with_four_votes():
    """Maximum likelihood falls under the majority there, the prior keeps up with it (.880, .815, .879 published)."""
    scores = {"majority": [], "likelihood": [], "prior": []}
    for seed in range(10):
        item, annotators, labels, truth, n = crowd(np.random.default_rng(seed))
        size = {"n_items": truth.size, "n_labels": 2}
        scores["majority"].append(accuracy(ag.majority(item, labels, **size), truth))
        for name, prior in (("likelihood", (1e-9, 1e-9)), ("prior", (2.5, 0.5))):
            found = ag.dawid_skene(
                item, annotators, labels, n_annotators=n, prior_diagonal=prior[0], prior_off_diagonal=prior[1], **size
            )
            scores[name].append(accuracy(found.posterior, truth))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    assert means["majority"] == pytest.approx(0.880, abs=0.02)
    assert means["prior"] == pytest.approx(means["majority"], abs=0.01)
    assert means["likelihood"] < means["majority"] - 0.03


def test_dawid_skene_does_not_care_which_label_comes_first():
    item, annotators, labels, _truth, n = crowd(np.random.default_rng(1), items=200)
    size = {"n_items": 200, "n_labels": 2, "n_annotators": n}
    left = ag.dawid_skene(item, annotators, labels, **size).posterior
    right = ag.dawid_skene(item, annotators, 1 - labels, **size).posterior
    assert np.allclose(left, right[:, ::-1], atol=1e-6)


def test_ties_go_to_the_label_that_is_named_first():
    counts = np.array([[2.0, 2.0, 1.0], [1.0, 3.0, 1.0], [2.0, 1.0, 2.0]])
    assert ag.most_voted(counts, ties_to=(2, 1, 0)).tolist() == [1, 1, 2]
    assert ag.most_voted(counts, ties_to=(0, 1, 2)).tolist() == [0, 1, 0]
