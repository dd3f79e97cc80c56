"""Short versions of `make prove NAME=learning`: what must hold whatever the machine, on parts that take seconds."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks import _learning_policies as policies
from benchmarks import _learning_spammers as spammers
from benchmarks._learning_data import Shelf, over_seeds, read_votes
from benchmarks._learning_measures import measures
from tests.support.trainings import pairs as good_and_bad
from workers.algorithms import reward_model
from workers.training import scratch
from workers.training.data import Pair, read_pairs
from workers.training.evaluation.accuracy import evaluate
from workers.training.evaluation.calibration import calibration

pytestmark = pytest.mark.training


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(scratch, "WIDTH", 32)
    monkeypatch.setattr(scratch, "CAUSAL_LAYERS", 2)
    torch.set_num_threads(1)


def made(folder, n, *, seed):
    """Pairs in which good words decide, as the trainer reads them."""
    path = folder / f"made-{seed}.jsonl"
    policies.write_rows(path, good_and_bad(n, seed=seed))
    return read_pairs(path).pairs


def pairs_with(p, clusters):
    return [
        Pair(
            row=n + 1,
            prompt="?",
            chosen="a" * (1 + n % 7),
            rejected="b" * (1 + n % 5),
            p=each,
            weight=1.0,
            margin=None,
            pair_id=str(n),
            prompt_cluster=str(cluster),
        )
        for n, (each, cluster) in enumerate(zip(p, clusters, strict=True))
    ]


def test_the_measures_are_those_of_the_trainers_evaluation_with_paired_differences():
    rng = np.random.default_rng(0)
    p, clusters = rng.choice([0.5, 0.6, 0.9, 1.0], 400), rng.integers(8, size=400)
    one, other = rng.normal(0.5, 1, 400), rng.normal(0.2, 1, 400)
    pairs = pairs_with(p.tolist(), clusters)
    found = measures(pairs, {"one": one, "other": other}, [("one", "other")])
    whole = evaluate(pairs, np.stack([one, np.zeros(400)], axis=1))
    assert found["one"]["accuracy"]["value"] == pytest.approx(whole["eval_accuracy"], abs=1e-6)
    assert found["one"]["accuracy_shorter"]["value"] == pytest.approx(whole["eval_accuracy_shorter"], abs=1e-6)
    for name in ("nll", "brier", "ece"):
        values = [calibration(delta, p)[name] for delta in (one, other)]
        assert found["other"][name]["value"] == pytest.approx(values[1], abs=1e-6)
        apart = found["one - other"][name]
        assert apart["value"] == pytest.approx(values[0] - values[1], abs=2e-6)
        assert apart["interval"][0] <= apart["value"] <= apart["interval"][1]


def test_over_seeds_by_hand():
    """Mean 2, deviation 1, Student's t of two degrees 4.303: 2 ± 4.303 / √3."""
    found = over_seeds([1.0, 2.0, 3.0])
    assert found["mean"] == 2
    assert found["interval"] == pytest.approx([2 - 2.484, 2 + 2.484], abs=1e-3)
    assert over_seeds([1.0])["interval"] is None


@pytest.mark.real_data
def test_votes_of_real_people_with_spammers_among_them_are_better_labelled_by_weights(real_data, monkeypatch):
    monkeypatch.setenv("ACCORD_DATA", str(real_data))
    votes = read_votes()
    assert (votes.n_pairs, votes.n_annotators, len(votes.cleaned)) == (12577, 3777, 8421)
    folds = np.stack([votes.fold(number) for number in range(4)])
    assert (folds.sum(axis=0) == 1).all()
    everything = np.ones(votes.n_pairs, dtype=bool)
    for seed in range(2):
        values, is_spam = spammers.spammed(votes, np.random.default_rng(seed))
        assert 0.2 < is_spam.mean() < 0.4
        assert (values == votes.values)[~is_spam].all()
        plain, agreement = votes.labels(everything, is_weighted=False, values=values)
        weighted, weighted_agreement = votes.labels(everything, is_weighted=True, values=values)
        labels = {"majority": (np.sign(plain - 0.5) + 1) / 2, "weighted": weighted}
        apart = spammers.label_measures(votes, everything, labels)["weighted - majority"]
        assert apart["accuracy"]["interval"][0] > 0.03
        assert apart["brier"]["interval"][1] < -0.01
        assert weighted_agreement > agreement + 0.05


def test_a_reward_model_is_trained_once_and_its_scores_are_kept(small, tmp_path, monkeypatch):
    shelf = Shelf(tmp_path / "shelf")
    shelf.folder.mkdir()
    train, test = made(tmp_path, 64, seed=1), made(tmp_path, 20, seed=2)
    options = {"model": "scratch", "epochs": 2, "learning_rate": 1e-3, "max_length": 48}
    scores = shelf.scores("arm", train, test, options)
    monkeypatch.setattr(reward_model, "train", None)
    assert np.array_equal(shelf.scores("arm", train, test, options), scores)
    assert shelf.n_kept == 1
    assert [path.suffix for path in shelf.folder.iterdir()] == [".npy"]
    with pytest.raises(TypeError):
        shelf.scores("arm", train[:-1], test, options)


def test_sft_lowers_the_held_out_loss_and_dpo_prefers_what_people_preferred(small, tmp_path):
    shelf = Shelf(tmp_path)
    train, choice, held_out, judged = (made(tmp_path, n, seed=n) for n in (201, 60, 61, 202))
    judge = shelf.trained(
        "judge", judged, held_out, {"model": "scratch", "epochs": 3, "learning_rate": 3e-3, "max_length": 48}
    )
    found = policies.run(
        tmp_path,
        judge,
        judge,
        0,
        pairs=[dataclasses.replace(pair, p=1.0) for pair in train],
        answered=train,
        choice=choice,
        prompts=held_out,
        sft={"epochs": 4, "batch_size": 16, "learning_rate": 1e-2},
        dpo={"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "beta": 0.1},
        n_own=4,
        n_answers=2,
        answer_tokens=24,
    )
    assert found["sft_loss_after"] < found["sft_loss_before"] - 0.5
    assert found["people"]["implicit_accuracy"] > 0.8
    assert found["own"]["n_pairs"] > 50
    assert found["own"]["choice_accuracy"] > 0.6
    for arm in policies.ARMS:
        total = found[arm]["total"]
        assert total["n"] == 2 * len({(str(pair.prompt), pair.prompt_cluster) for pair in held_out})
        assert total["win_rate"] is not None
        assert total["kl_k3_per_answer"] > 0
    assert "seed 0: held-out loss" in policies.table([found])
