"""The figures of an evaluation, by hand."""

import math

import numpy as np
import pytest

from tests.workers.training import tiny
from workers.training.evaluation import agrees, calibration, evaluate


def pairs(*lengths_and_p, clusters=10):
    return [
        tiny.pair("x" * a, "y" * b, p=p, prompt_cluster=str(n % clusters)) for n, (a, b, p) in enumerate(lengths_and_p)
    ]


def scores(*deltas):
    return np.array([(delta, 0.0) for delta in deltas])


def test_accuracy_and_the_length_only_baseline_are_taken_on_the_same_pairs():
    found = evaluate(
        pairs((5, 2, 1.0), (5, 2, 0.9), (2, 5, 0.8), (2, 5, 1.0), (3, 3, 1.0), (9, 1, 0.5)),
        scores(1.0, -1.0, 2.0, 0.0, 1.0, -3.0),
    )
    assert (found["n_pairs"], found["n_ties"], found["n_clusters"]) == (6, 1, 6)
    assert found["eval_accuracy"] == pytest.approx(3.5 / 5)  # a score without a side is half right
    assert found["length_only_accuracy"] == pytest.approx(2.5 / 5)  # so is a pair of equal length
    assert found["accuracy_gain"] == pytest.approx(0.2)
    assert found["n_shorter"] == 2
    assert found["eval_accuracy_shorter"] == pytest.approx(0.75)


def test_a_label_below_one_half_prefers_the_rejected_side():
    assert agrees(np.array([-1.0, 1.0]), np.array([0.2, 0.2])).tolist() == [1.0, 0.0]


def test_a_model_that_counts_characters_gains_nothing_with_certainty():
    rng = np.random.default_rng(0)
    made = pairs(*((int(a), int(b), 1.0) for a, b in rng.integers(1, 50, (60, 2))))
    found = evaluate(made, np.array([(len(pair.chosen), len(pair.rejected)) for pair in made], dtype=float))
    assert found["accuracy_gain"] == 0
    assert found["accuracy_gain_interval"] == [0, 0]
    assert found["reward_length_correlation"] == pytest.approx(1.0)
    low, high = found["eval_accuracy_interval"]
    assert low < found["eval_accuracy"] < high
    assert found["eval_accuracy_interval"] == found["length_only_accuracy_interval"]


def test_pairs_of_one_cluster_stay_together_in_the_interval():
    """Ten clusters of ten alike pairs say as much as ten pairs, not as a hundred."""
    deltas = [1.0 if n % 10 < 7 else -1.0 for n in range(100)]
    alike = evaluate(pairs(*[(2, 1, 1.0)] * 100, clusters=10), scores(*deltas))["eval_accuracy_interval"]
    apart = evaluate(pairs(*[(2, 1, 1.0)] * 100, clusters=100), scores(*deltas))["eval_accuracy_interval"]
    assert alike[1] - alike[0] > 2 * (apart[1] - apart[0])


def test_few_clusters_give_no_interval_and_no_sides_give_no_accuracy():
    few = evaluate(pairs(*[(2, 1, 1.0)] * 8, clusters=4), scores(*[1.0] * 8))
    assert (few["eval_accuracy"], few["eval_accuracy_interval"]) == (1.0, None)
    ties = evaluate(pairs(*[(2, 1, 0.5)] * 8), scores(*[1.0] * 8))
    assert (ties["eval_accuracy"], ties["eval_accuracy_interval"]) == (None, None)


def test_likelihood_brier_and_calibration_by_hand():
    delta = math.log(0.8 / 0.2)  # the model says .8 each time
    found = calibration(np.array([delta, delta, -delta]), np.array([1.0, 1.0, 1.0]))
    assert found["nll"] == pytest.approx(-(2 * math.log(0.8) + math.log(0.2)) / 3)
    assert found["brier"] == pytest.approx((0.04 + 0.04 + 0.64) / 3)
    assert found["ece"] == pytest.approx(abs(0.8 - 2 / 3))


def test_the_error_of_a_calibrated_model_is_what_chance_makes_of_it():
    rng = np.random.default_rng(3)
    delta = rng.normal(0, 1.5, 2000)
    labels = (rng.random(2000) < 1 / (1 + np.exp(-delta))).astype(float)
    found = calibration(delta, labels)
    assert found["ece"] < 2 * found["ece_null"]
    assert found["ece_null"] > 0.005
    assert calibration(4 * delta, labels)["ece"] > 4 * found["ece_null"]


def test_scores_far_apart_are_no_overflow():
    found = calibration(np.array([1e5, -1e5]), np.array([1.0, 1.0]))
    assert found["nll"] == pytest.approx(5e4)
