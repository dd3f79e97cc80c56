"""That they learn: label rules on real votes, spammers outvoted, and policies that get better by preferences.

Three parts, on UKPConvArg1 (Habernal and Gurevych 2016; CC-BY 4.0), each in a file of its own beside this one:

    labels     hard, soft and reliability-weighted labels, four folds over topics, beside baselines
    spammers   30% simulated spammers: majority labels against reliability-weighted soft ones, five seeds
    policies   a small policy from scratch, three seeds: what SFT does to held-out loss, and DPO against SFT

Hours on one core, so that it can be interrupted: ACCORD_BENCH_FOLDER names a folder that keeps what is done.
ACCORD_BENCH_PARTS, _FOLDS, _SEEDS, _POLICY_SEEDS (lists with commas) make a part of it.
"""

from __future__ import annotations

from typing import Any

from benchmarks import _learning_labels, _learning_policies, _learning_spammers
from benchmarks._learning_data import Shelf, knob, read_votes

PARTS = {
    "labels": _learning_labels.measure,
    "spammers": _learning_spammers.measure,
    "policies": _learning_policies.measure,
}


def measure() -> dict[str, Any]:
    wanted = [part.strip() for part in knob("PARTS", ",".join(PARTS)).split(",")]
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise SystemExit(f"There is no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    votes, shelf = read_votes(), Shelf.opened()
    figures = {part: PARTS[part](votes, shelf) for part in wanted}
    return {"parts": wanted, **figures, "n_models_kept_from_before": shelf.n_kept}
