"""The race of trainers, very short: what it says, not how fast."""

import pytest

from benchmarks import trainers
from benchmarks._trainer_pairs import N_EVAL, Race
from tests.workers.training import tiny

pytestmark = pytest.mark.training


def rows(n):
    return [
        {
            "prompt": [{"role": "user", "content": f"{row['prompt']} {number}"}],
            "chosen": row["chosen"],
            "rejected": row["rejected"],
        }
        for number, row in enumerate(tiny.rows(n))
    ]


@pytest.mark.parametrize("algorithm", trainers.ALGORITHMS)
def test_all_arms_learn_the_same_and_say_their_speed_and_memory(algorithm, monkeypatch):
    monkeypatch.setattr(trainers, "ARMS", ("accord", "trl-best"))
    race = Race(batch=4, warmup=1, steps=5, max_length=64, width=16)
    found = trainers.raced(algorithm, rows(race.n_pairs + N_EVAL), race, repeats=1)
    ours, theirs = found["arms"]["accord"], found["arms"]["trl-best"]
    assert ours["mean_loss_by_third"] == pytest.approx(theirs["mean_loss_by_third"], abs=trainers.TOLERANCE)
    assert ours["mean_loss_by_third"][0] == pytest.approx(0.69, abs=0.05)
    for figures in (ours, theirs):
        assert figures["pairs_per_second"]["median"] > 0
        assert figures["seconds_of_start"] > 0
        assert (figures["seconds_of_reference"] > 0) == (algorithm == "dpo")
        assert figures["seconds_in_total"] > figures["seconds_of_start"] + figures["seconds_of_reference"]
        assert figures["peak_memory_mib"] > 100
    assert theirs["times_as_fast"]["lowest"] <= theirs["times_as_fast"]["highest"]
    assert "trl-best" in trainers.table(found["arms"])


def test_arms_that_learn_something_else_end_the_race():
    runs = {
        arm: [{"mean_loss_by_third": [0.69, 0.6, loss]}]
        for arm, loss in zip(trainers.ARMS, (0.5, 0.52, 0.4), strict=True)
    }
    with pytest.raises(SystemExit, match="trl-defaults"):
        trainers.check_losses(runs)


def test_a_ratio_is_taken_within_its_round():
    speeds = {"accord": (10.0, 30.0), "trl-best": (2.0, 3.0), "trl-defaults": (1.0, 1.0)}
    runs = {
        arm: [
            {
                "pairs_per_second": speed,
                "pairs_per_processor_second": speed,
                "seconds_of_start": 1.0,
                "seconds_of_reference": 0.0,
                "seconds_in_total": 2.0,
                "peak_memory_mib": memory,
                "mean_loss_by_third": [0.7, 0.6, 0.5],
            }
            for speed, memory in zip(found, (500, 700), strict=True)
        ]
        for arm, found in speeds.items()
    }
    figures = trainers.summary(runs, "trl-best")
    assert figures["times_as_fast"] == {"median": 7.5, "lowest": 5.0, "highest": 10.0}
    assert figures["peak_memory_mib"] == 700
