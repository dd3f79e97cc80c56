"""Dawid and Skene's model: their own data, plain steps written out, real crowd votes, and what the prior is for."""

import gzip
import json

import numpy as np
import pytest

from app.domain.aggregation import majority
from app.domain.dawid_skene import dawid_skene

# Dawid and Skene 1979, table 1: grades of 45 patients, three by the first anaesthetist and one by each of four others.
PATIENTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 "
    "2322223 4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 "
    "2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 "
    "1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 "
    "2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222 "
)
OBSERVERS = np.array([0, 0, 0, 1, 2, 3, 4])


@pytest.fixture
def anaesthetists():
    items = np.repeat(np.arange(45), 7)
    labels = np.array([int(grade) - 1 for grade in PATIENTS if grade != " "])
    return items, np.tile(OBSERVERS, 45), labels


def test_class_marginals_of_the_anaesthetists(anaesthetists):
    found = dawid_skene(*anaesthetists, n_items=45, n_annotators=5, n_labels=4, prior_diagonal=0, prior_off_diagonal=0)
    assert found.has_converged
    assert found.prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=5e-3)


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
    for seed in range(6):
        item, annotators, labels, truth, n = crowd(np.random.default_rng(seed))
        size = {"n_items": truth.size, "n_labels": 2}
        scores["majority"].append(accuracy(majority(item, labels, **size), truth))
        for name, prior in (("likelihood", (1e-9, 1e-9)), ("prior", (2.5, 0.5))):
            found = dawid_skene(
                item, annotators, labels, n_annotators=n, prior_diagonal=prior[0], prior_off_diagonal=prior[1], **size
            )
            scores[name].append(accuracy(found.posterior, truth))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    assert means["majority"] == pytest.approx(0.880, abs=0.02)
    assert means["prior"] == pytest.approx(means["majority"], abs=0.01)
    assert means["likelihood"] < means["majority"] - 0.03


def test_it_does_not_care_which_label_comes_first_nor_who_is_called_what_nor_for_the_order_of_votes():
    item, annotators, labels, _truth, n = crowd(np.random.default_rng(1), items=200)
    size = {"n_items": 200, "n_labels": 2, "n_annotators": n}
    rng = np.random.default_rng(2)
    order, renamed = rng.permutation(item.size), rng.permutation(n)
    before = dawid_skene(item, annotators, labels, **size)
    after = dawid_skene(item[order], renamed[annotators][order], 1 - labels[order], **size)
    assert before.posterior == pytest.approx(after.posterior[:, ::-1], abs=1e-5)
    assert before.confusion == pytest.approx(after.confusion[renamed][:, ::-1, ::-1], abs=1e-4)


@pytest.mark.parametrize("prior", [(2.5, 0.5), (0.0, 0.0)])
def test_leaps_end_where_small_steps_end(prior):
    """Against plain expectation and maximisation, written out."""
    item, annotators, labels, _truth, n = crowd(np.random.default_rng(3), items=300, votes=5, per_annotator=30)
    found = dawid_skene(
        item,
        annotators,
        labels,
        n_items=300,
        n_annotators=n,
        n_labels=2,
        prior_diagonal=prior[0],
        prior_off_diagonal=prior[1],
        tolerance=1e-9,
        max_iterations=2000,
    )
    posterior = majority(item, labels, n_items=300, n_labels=2)
    for _ in range(500):
        confusion = np.full((n, 2, 2), prior[1]) + np.eye(2) * (prior[0] - prior[1])
        np.add.at(confusion.transpose(0, 2, 1), (annotators, labels), posterior[item])
        confusion /= confusion.sum(axis=2, keepdims=True)
        joint = np.tile(np.log(posterior.mean(axis=0)), (300, 1))
        with np.errstate(divide="ignore"):
            np.add.at(joint, item, np.log(confusion)[annotators, :, labels])
        posterior = np.exp(joint - joint.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
    assert found.has_converged
    assert found.n_iterations < 500
    assert found.posterior == pytest.approx(posterior, abs=1e-5)


def test_an_item_without_votes_has_the_prevalence_and_one_label_is_certain():
    found = dawid_skene(
        np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0, 0, 1]), n_items=3, n_annotators=3, n_labels=2
    )
    assert found.posterior[2] == pytest.approx(found.prevalence, abs=1e-5)
    assert found.confusion[2] == pytest.approx(np.array([[5, 1], [1, 5]]) / 6)
    alone = dawid_skene(np.array([0]), np.array([0]), np.array([0]), n_items=1, n_annotators=1, n_labels=1)
    assert alone.posterior.tolist() == [[1.0]]


SIDES_AND_EQUAL = ("a1", "a2", "equal")


@pytest.mark.real_data
def test_nine_hundred_and_six_of_a_thousand_of_the_authors_gold_labels(real_data):
    """The rule that gives .906: three labels held to be equally frequent, the pairs with gold, each gold label.

    With estimated prevalence `equal` is swallowed: .969 of golds with a side are met, .596 of `equal`, .888 of all.
    """
    with gzip.open(real_data / "ukp_convarg1" / "pairs_votes.jsonl.gz") as lines:
        pairs = [pair for pair in map(json.loads, lines) if pair["gold"]]
    workers: dict[str, int] = {}
    votes = [(i, vote["worker"], vote["value"]) for i, pair in enumerate(pairs) for vote in pair["votes"]]
    items = np.array([i for i, _, _ in votes])
    annotators = np.array([workers.setdefault(name, len(workers)) for _, name, _ in votes])
    labels = np.array([SIDES_AND_EQUAL.index(value) for _, _, value in votes])
    gold = np.array([SIDES_AND_EQUAL.index(pair["gold"]) for pair in pairs])
    size = {"n_items": len(pairs), "n_annotators": len(workers), "n_labels": 3}
    found = dawid_skene(items, annotators, labels, has_equal_prevalence=True, **size)
    assert (len(pairs), found.has_converged) == (11_901, True)
    assert accuracy(found.posterior, gold) == pytest.approx(0.9056, abs=5e-5)
    estimated = dawid_skene(items, annotators, labels, **size).posterior
    shares = [accuracy(estimated, gold), *(accuracy(estimated[rows], gold[rows]) for rows in (gold < 2, gold == 2))]
    assert shares == pytest.approx([0.8884, 0.9688, 0.5963], abs=5e-5)
