"""What the three parts of `learning` share: the votes as arrays, labels from them, and reward models kept by a hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop import ROOT, cleaned_pairs, prepared

if TYPE_CHECKING:
    from workers.training.data import Pair

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
N_FOLDS = 4
ASSUMED_AGREEMENT = 0.73
VALUES = {"response_a": 1.0, "response_b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Votes:
    """UKPConvArg1: (pairs,) `topics` by name and `differ` (whether the texts do); (votes,) codes of pair and annotator
    from 0, and v, 1 where the first response is named the better one.
    """

    records: list[dict[str, Any]]
    topics: NDArray[np.str_]
    differ: Flags
    items: Ints
    annotators: Ints
    values: Floats
    cleaned: list[Pair]

    @property
    def n_pairs(self) -> int:
        return len(self.records)

    @property
    def n_annotators(self) -> int:
        return int(self.annotators.max()) + 1

    @cached_property
    def shares(self) -> Floats:
        """(pairs,) the mean v of each pair."""
        total = np.bincount(self.items, weights=self.values, minlength=self.n_pairs)
        return np.asarray(total / np.bincount(self.items, minlength=self.n_pairs), dtype=np.float64)

    def fold(self, number: int) -> Flags:
        """(pairs,) whether a pair's topic is held out in this fold: both stances of a topic stay together."""
        return np.isin(self.topics, np.unique(self.topics)[number::N_FOLDS])

    def cleaned_of(self, kept: Flags) -> list[Pair]:
        """The authors' cleaned pairs among the kept ones."""
        ids = {self.records[number]["task_id"] for number in np.flatnonzero(kept)}
        return [pair for pair in self.cleaned if pair.pair_id in ids]

    def pairs_of(self, numbers: Ints, p: Floats) -> list[Pair]:
        """The pairs of these numbers, with p (pairs,) for the first response; the side with p >= .5 is chosen."""
        return [_pair(self.records[number], number, float(p[number])) for number in numbers.tolist()]

    def labels(self, kept: Flags, *, is_weighted: bool, values: Floats | None = None) -> tuple[Floats, float]:
        """p (pairs,) that the first response is the better one, and P, from the votes on the kept pairs alone."""
        from app.domain.aggregation import soft_labels
        from app.domain.reliability_weights import reliability_weights, weighted_side_agreement

        used = kept[self.items]
        items, annotators = self.items[used], self.annotators[used]
        v = (self.values if values is None else values)[used]
        weights = np.ones(len(items))
        if is_weighted:
            found = reliability_weights(items, annotators, v, n_items=self.n_pairs, n_annotators=self.n_annotators)
            weights = found.weight[annotators]
        agreement = weighted_side_agreement(items, v, weights, n_items=self.n_pairs) or ASSUMED_AGREEMENT
        return np.round(soft_labels(items, v, weights, n_items=self.n_pairs, agreement=agreement), 6), agreement


def read_votes() -> Votes:
    source = Path(os.environ.get("ACCORD_DATA", ROOT.parent / "shared" / "data")) / "ukp_convarg1"
    if not source.is_dir():
        raise SystemExit(f"ukp_convarg1 is absent: set ACCORD_DATA (looked in {source.parent}).")
    data = prepared(source, source, is_short=False)
    names: dict[str, int] = {}
    votes = [
        (number, names.setdefault(vote["annotator"], len(names)), VALUES[vote["choice"]])
        for number, record in enumerate(data.records)
        for vote in record["votes"]
    ]
    items, annotators, values = (np.array(column) for column in zip(*votes, strict=True))
    return Votes(
        records=data.records,
        topics=np.array([record["metadata"]["debate"].split("_")[0] for record in data.records]),
        differ=np.array([len({each["text"] for each in record["responses"]}) == 2 for record in data.records]),
        items=items,
        annotators=annotators,
        values=values,
        cleaned=cleaned_pairs(data),
    )


def _pair(record: dict[str, Any], number: int, p: float) -> Pair:
    from workers.training.data import Pair

    first, second = (response["text"] for response in record["responses"])
    chosen, rejected = (first, second) if p >= 0.5 else (second, first)
    return Pair(
        row=number + 1,
        prompt=record["prompt"],
        chosen=chosen,
        rejected=rejected,
        p=max(p, 1 - p),
        weight=1.0,
        margin=None,
        pair_id=record["task_id"],
        prompt_cluster=record["metadata"]["debate"],
    )


def as_rows(pairs: list[Pair]) -> list[dict[str, Any]]:
    names = ("prompt", "chosen", "rejected", "p", "pair_id", "prompt_cluster")
    return [{name: getattr(pair, name) for name in names} for pair in pairs]


def write_rows(path: Path, given: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in given))
    return path


@dataclass
class Shelf:
    """Where scores and models are kept, by a hash of options and data, so that an interrupted measurement goes on."""

    folder: Path
    n_kept: int = 0

    @classmethod
    def opened(cls) -> Shelf:
        """In ACCORD_BENCH_FOLDER, or in a new temporary folder that nothing takes away."""
        named = os.environ.get("ACCORD_BENCH_FOLDER")
        folder = Path(named) if named else Path(tempfile.mkdtemp(prefix="accord-learning-"))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"kept in {folder}" if named else f"kept in {folder}; ACCORD_BENCH_FOLDER goes on from there", flush=True)
        return cls(folder)

    def scores(self, name: str, train: list[Pair], test: list[Pair], options: dict[str, Any]) -> Floats:
        """(pairs, 2) scores of chosen and rejected by a reward model of these rows, trained unless they are kept."""
        key = digest(options, as_rows(train), as_rows(test))
        path = self.folder / f"{name}-{key}.npy"
        if path.exists():
            self.n_kept += 1
            return np.asarray(np.load(path), dtype=np.float64)
        folder = self.trained(f"{name}-{key}", train, test, options)
        found = judged(folder, test)
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, found)
        unfinished.rename(path)
        shutil.rmtree(folder.parent)
        return found

    def trained(self, name: str, train: list[Pair], test: list[Pair], options: dict[str, Any]) -> Path:
        """The folder of a reward model; what an interrupted training left there is gone on with.

        A single measurement, after the last step, on a few of the test pairs: nothing is chosen by it.
        """
        from workers.algorithms import reward_model

        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        config = reward_model.Config(
            data=write_rows(folder / "train.jsonl", as_rows(train)),
            eval_data=write_rows(folder / "eval.jsonl", as_rows(test[:100])),
            out=folder / "run",
            threads=1,
            device="cpu",
            **{"model": "minilm", "evaluations_per_epoch": 1, **options},
        )
        reward_model.train(config, said(name))
        return folder / "run"


def judged(folder: Path, pairs: list[Pair]) -> Floats:
    """(pairs, 2) scores of chosen and rejected."""
    import torch

    from workers.training.evaluation import command
    from workers.training.evaluation.meter import Meter
    from workers.training.report import to_nowhere
    from workers.training.stopping import never

    meter, config = Meter(to_nowhere, never, parts=1), command.Config(model=str(folder))
    return command.Model(str(folder), config, torch.device("cpu"), meter, max_length=0).scores(pairs)


def said(name: str) -> Any:
    """A report that prints a line every hundred steps."""

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] % 100 == 0:
            print(f"    {name}: step {event['step']}, loss {event.get('loss', float('nan')):.3f}", flush=True)

    return report


def digest(*parts: Any) -> str:
    content = json.dumps(parts, sort_keys=True, default=str).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def knob(name: str, default: str) -> str:
    """ACCORD_BENCH_<NAME>, recorded by who asks."""
    return os.environ.get(f"ACCORD_BENCH_{name}", default)


def whole_numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.strip()]


def over_seeds(values: list[float]) -> dict[str, Any]:
    """The mean over seeds with a 95% interval by Student's t, and the values themselves."""
    from scipy import stats

    mean, n = float(np.mean(values)), len(values)
    found: dict[str, Any] = {"mean": round(mean, 6), "interval": None, "seeds": [round(value, 6) for value in values]}
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
        found["interval"] = [round(mean - half, 6), round(mean + half, 6)]
    return found


def estimate(found: dict[str, Any]) -> str:
    if found["interval"] is None:
        return f"{found['mean']:.3f} [one seed]"
    low, high = found["interval"]
    return f"{found['mean']:.3f} [{low:.3f}, {high:.3f}]"
