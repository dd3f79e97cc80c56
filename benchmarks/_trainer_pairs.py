"""Real pairs for the race of trainers, and the model and files that all its arms begin with."""

from __future__ import annotations

import gzip
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

DATA = Path(os.environ.get("ACCORD_DATA", "../shared/data"))
N_EVAL = 16
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What all arms share: pairs in a step, timed steps and those before them, longest sequence, width of the model."""

    batch: int
    warmup: int
    steps: int
    max_length: int
    width: int

    @property
    def n_pairs(self) -> int:
        return (self.warmup + self.steps) * self.batch


def conversations() -> list[Row]:
    """Conversations whose last answer was judged, each in one pair."""
    with gzip.open(DATA / "hh_harmless_test" / "harmless-base_test.jsonl.gz", "rt") as lines:
        return [row for row in map(parted, lines) if row]


def tournament() -> list[Row]:
    """Arguments, debate by debate, so that they stand in as many pairs as they did."""
    with gzip.open(DATA / "ukp_convarg1" / "strict_pairs.jsonl.gz", "rt") as lines:
        found = list(map(json.loads, lines))
    return [
        {
            "prompt": [{"role": "user", "content": row["debate"]}],
            "chosen": row[row["label"]],
            "rejected": row["a2" if row["label"] == "a1" else "a1"],
        }
        for row in found
    ]


SETS: dict[str, Callable[[], list[Row]]] = {"conversations": conversations, "tournament": tournament}


def parted(line: str) -> Row | None:
    """A pair of transcripts as prompt, chosen and rejected; None where they part before the last answer."""
    row = json.loads(line)
    mark = "\n\nAssistant:"
    prompt, chosen = row["chosen"].rsplit(mark, 1)
    other, rejected = row["rejected"].rsplit(mark, 1)
    if prompt != other or not chosen.strip() or not rejected.strip() or chosen == rejected:
        return None
    messages = []
    for turn in prompt.split("\n\nHuman:")[1:]:
        asked, *answers = turn.split(mark)
        messages.append({"role": "user", "content": asked.strip()})
        messages += [{"role": "assistant", "content": answer.strip()} for answer in answers]
    return {"prompt": messages, "chosen": chosen.strip(), "rejected": rejected.strip()}


def prepare(folder: Path, rows: list[Row], race: Race, *, algorithm: str) -> dict[str, float]:
    """Writes the pairs that fit, and a Llama with a tokenizer built from them: one that writes, or one that scores.
    Medians of the tokens. So many pairs that each is read once, by every arm in an order of its own.
    """
    import torch
    import transformers

    from workers.training import scratch
    from workers.training.completions import Completions

    texts = [text for row in rows for text in (*(turn["content"] for turn in row["prompt"]), row["chosen"])]
    torch.manual_seed(0)
    with mock.patch.object(scratch, "WIDTH", race.width):
        model, tokenizer = scratch.build_causal(texts, max_length=race.max_length, dropout=0.0)
    if algorithm == "reward_model":
        model.config.num_labels = 1
        model = transformers.AutoModelForSequenceClassification.from_config(model.config)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    cut = Completions(tokenizer, max_length=10**6).encode(
        [(row["prompt"], (row["chosen"], row["rejected"])) for row in rows]
    )
    fitting = [
        (row, two)
        for row, two in zip(rows, cut.sequences, strict=True)
        if max(len(each.ids) for each in two) <= race.max_length
    ][: race.n_pairs + N_EVAL]
    if len(fitting) < race.n_pairs + N_EVAL:
        raise SystemExit(f"{len(fitting):,} pairs are too few for {race.n_pairs + N_EVAL:,}: take fewer steps.")
    kept = [row for row, _ in fitting]
    for name, part in (("train", kept[:-N_EVAL]), ("eval", kept[-N_EVAL:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return {
        "prompt": statistics.median(two[0].n_first for _, two in fitting),
        "completion": statistics.median(len(each.ids) - each.n_first for _, two in fitting for each in two),
    }
