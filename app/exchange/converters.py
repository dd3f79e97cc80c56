"""Published data sets as import records, for those whose own files are no import files.

Each converter takes the folder with the data set's files and a list to which it adds what it had to leave out, so that
nothing is left out in silence. The records can be written with `write_jsonl` and read by app.exchange.reading.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.exchange.problems import ImportProblem
from app.exchange.reading import Reading
from app.exchange.rows import RESPONSE_NAMES, TIE, ReadOptions, to_record

Converter = Callable[[Path, list[ImportProblem]], Iterator[dict[str, Any]]]

_ANSWERS = 4
_UKP_CHOICES = {"a1": RESPONSE_NAMES[0], "a2": RESPONSE_NAMES[1], "equal": TIE}


def ukp_convarg1(folder: Path, skipped: list[ImportProblem]) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - one shape
    """UKPConvArg1 (Habernal and Gurevych 2016): pairs of arguments, about five crowd workers' votes on each.

    The authors' label is kept as metadata `published_gold`: it was computed from these votes, and is no gold to test
    anyone with. A vote's time is when its worker handed the HIT in; its seconds are the HIT's, shared evenly among the
    pairs of that HIT, since no finer times were published. Fourteen pairs compare two copies of one text; read them
    with ReadOptions(keep_same=True).
    """
    arguments = {(item["debate"], item["arg_id"]): item for item in _lines(folder / "arguments.jsonl.gz")}
    reasons = {(item["pair_id"], item["worker"]): item["reason"] for item in _lines(folder / "reasons.jsonl.gz")}
    pairs = list(_lines(folder / "pairs_votes.jsonl.gz"))
    shares = Counter((vote["worker"], vote["hit"]) for pair in pairs for vote in pair["votes"])
    for pair in pairs:
        one, other = (arguments[pair["debate"], pair[side]] for side in ("a1", "a2"))
        yield {
            "task_id": pair["pair_id"],
            "prompt": f"Which argument is more convincing?\n\nDebate: {one['topic']}\nStance: {one['stance']}",
            "responses": [
                {"text": argument["text"], "metadata": {"arg_id": argument["arg_id"]}} for argument in (one, other)
            ],
            "domain": one["topic"],
            "language": "en",
            "metadata": {
                "debate": pair["debate"],
                "stance": one["stance"],
                "published_gold": _UKP_CHOICES.get(pair["gold"]),
                "source": "UKPConvArg1",
            },
            "votes": [
                _ukp_vote(vote, shares[vote["worker"], vote["hit"]], reasons.get((pair["pair_id"], vote["worker"])))
                for vote in pair["votes"]
            ],
        }


def _ukp_vote(vote: dict[str, Any], share: int, reason: str | None) -> dict[str, Any]:
    accepted = datetime.fromisoformat(vote["accepted"]).replace(tzinfo=UTC)
    return {
        "annotator": vote["worker"],
        "choice": _UKP_CHOICES[vote["value"]],
        "submitted_at": (accepted + timedelta(seconds=vote["hit_seconds"])).isoformat(),
        "seconds": round(vote["hit_seconds"] / share, 3),
        "rationale": reason,
    }


def hh(folder: Path, skipped: list[ImportProblem]) -> Iterator[dict[str, Any]]:
    """Anthropic hh-rlhf: transcripts with a chosen and a rejected end. One vote each, by "hh-rlhf".

    Pairs that share no prompt, and those with an empty answer, are added to `skipped`.
    """
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        for item in Reading(path, path.name, options=ReadOptions(chosen_annotator="hh-rlhf")):
            if isinstance(item, ImportProblem):
                skipped.append(item)
            else:
                record = {"task_id": f"{name}-{item.row}", "language": "en", "metadata": {"source": f"hh-rlhf {name}"}}
                yield to_record(item) | record


def finegrained_qa(folder: Path, skipped: list[ImportProblem]) -> Iterator[dict[str, Any]]:
    """FineGrainedRLHF's QA feedback (Wu et al. 2023): a question with four answers, ranked by one annotator.

    The ranking was published as the six choices between two of them, ties among them. Where these contradict each
    other there is no ranking, so the row comes without a vote and `skipped` says so. Two answers of a question
    may say the same; read them with ReadOptions(keep_same=True).
    """
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        for number, item in enumerate(_lines(path), 1):
            ranking = _ranked(item["preference"])
            if ranking is None:
                skipped.append(ImportProblem(number, "votes", "votes_contradict"))
            yield {
                "task_id": f"{name}-{number}",
                "prompt": item["question"],
                "responses": [item[f"prediction {place}"] for place in range(1, _ANSWERS + 1)],
                "language": "en",
                "metadata": {
                    "source": "FineGrainedRLHF QA feedback",
                    "reference": item["gold"],
                    "published_preferences": item["preference"],
                },
                "votes": [] if ranking is None else [{"annotator": "finegrained-rlhf", "ranking": ranking}],
            }


def _ranked(preferences: list[int]) -> list[list[str]] | None:
    """Places from the best, or None where the choices (0 equal, 1 the first, 2 the second) contradict each other."""
    pairs = list(combinations(range(_ANSWERS), 2))
    beaten = [0] * _ANSWERS
    for (first, second), choice in zip(pairs, preferences, strict=True):
        if choice:
            beaten[second if choice == 1 else first] += 1
    for (first, second), choice in zip(pairs, preferences, strict=True):
        order = (beaten[first] > beaten[second]) - (beaten[first] < beaten[second])
        if order != {0: 0, 1: -1, 2: 1}[choice]:
            return None
    return [
        [RESPONSE_NAMES[answer] for answer in range(_ANSWERS) if beaten[answer] == place]
        for place in sorted(set(beaten))
    ]


CONVERTERS = MappingProxyType[str, Converter](
    {"ukp_convarg1": ukp_convarg1, "hh": hh, "finegrained_qa": finegrained_qa}
)
RANKED = frozenset({"finegrained_qa"})
"""Those whose votes are rankings; the others choose one of two."""


def write_jsonl(records: Iterable[dict[str, Any]], path: Path) -> int:
    """Write the records as a JSONL file (packed where the name ends in .gz) and return how many there were."""
    count = 0
    with (
        gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8") as target
    ):
        for record in records:
            target.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as source:
        for line in source:
            yield json.loads(line)
