"""A project's agreement: its votes are read into arrays, then computed on without the database."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app import audit
from app.domain.agreement import Ints
from app.domain.labels import infer_scale
from app.quality import queries
from app.quality.schemas import AgreementQuery
from app.quality.summary import AgreementSummary, Votes, summarise_coded

LABELS = ("A", "tie", "B", "both_bad")
WITHOUT_VERSION = 0


@dataclass(frozen=True, slots=True)
class ProjectVotes:
    """(votes,) arrays in the order of vote ids: names of what was judged, ids of prompt cluster and annotator, code of
    the label in LABELS, number of the guideline version (0 without one), kind of annotator. `pseudonyms` are by
    annotator id.

    An item is a task that compares two responses, or a pair of those that a task ranks: "17", "17:203-205".
    """

    items: NDArray[np.str_]
    clusters: Ints
    annotators: Ints
    labels: Ints
    versions: Ints
    kinds: NDArray[np.str_]
    pseudonyms: dict[int, str]

    def __len__(self) -> int:
        return len(self.items)

    def where(self, keep: NDArray[np.bool_]) -> ProjectVotes:
        return ProjectVotes(
            items=self.items[keep],
            clusters=self.clusters[keep],
            annotators=self.annotators[keep],
            labels=self.labels[keep],
            versions=self.versions[keep],
            kinds=self.kinds[keep],
            pseudonyms=self.pseudonyms,
        )

    def wanted(self, wanted: AgreementQuery) -> ProjectVotes:
        keep = np.ones(len(self), dtype=np.bool_)
        if wanted.version is not None:
            keep &= self.versions == (WITHOUT_VERSION if wanted.version == "none" else int(wanted.version))
        if wanted.kind is not None:
            keep &= self.kinds == wanted.kind.value
        return self.where(keep)


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """`number` is None for votes that were given under no guidelines."""

    number: int | None
    summary: AgreementSummary


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """`by_version` is newest first; it has the votes of the kind of annotators asked for, whatever their version."""

    wanted: AgreementQuery
    summary: AgreementSummary
    by_version: list[VersionSummary]
    kinds: list[str]
    n_all: int


def read_votes(session: Session, project_id: int) -> ProjectVotes:
    """All votes that agreement may count, in three statements."""
    numbers: list[Ints] = [np.zeros((0, 7), dtype=np.int64)]
    kinds: list[str] = []
    for chunk in queries.votes(session, project_id):
        numbers.append(np.array([row[:7] for row in chunk], dtype=np.int64))
        kinds += [row[7] for row in chunk]
    tasks, prompts, annotators, labels, versions, low, high = np.concatenate(numbers).T
    prompt_ids, codes = np.unique(prompts, return_inverse=True)
    cluster_of = queries.prompt_clusters(session, prompt_ids.tolist()) if len(tasks) else {}
    clusters = np.array([cluster_of[prompt_id] for prompt_id in prompt_ids.tolist()], dtype=np.int64)[codes]
    pseudonyms = queries.pseudonyms(session, np.unique(annotators).tolist()) if len(tasks) else {}
    return ProjectVotes(
        items=_items(tasks, low, high),
        clusters=clusters,
        annotators=annotators,
        labels=labels,
        versions=versions,
        kinds=np.array(kinds, dtype=np.str_),
        pseudonyms=pseudonyms,
    )


def _items(tasks: Ints, low: Ints, high: Ints) -> NDArray[np.str_]:
    """(votes,) the task's number, with the pair where the votes on a task speak of several."""
    pairs = np.unique(np.stack([tasks, low, high], axis=1), axis=0)
    several = np.unique(pairs[1:, 0][pairs[1:, 0] == pairs[:-1, 0]])
    names = tasks.astype(np.str_).astype(object)
    for vote in np.flatnonzero(np.isin(tasks, several)).tolist():
        names[vote] = f"{tasks[vote]}:{low[vote]}-{high[vote]}"
    return names.astype(np.str_)


def report(votes: ProjectVotes, wanted: AgreementQuery) -> AgreementReport:
    """Needs no database: for the whole of ukp_convarg1 (62,742 votes) it takes about a second the first time."""
    of_kind = votes.wanted(AgreementQuery(kind=wanted.kind))
    by_version = []
    for number in sorted(set(of_kind.versions.tolist()), reverse=True):
        chosen = of_kind.where(of_kind.versions == number)
        by_version.append(VersionSummary(number or None, summarise_votes(chosen, with_pairs=False)))
    return AgreementReport(
        wanted=wanted,
        summary=summarise_votes(votes.wanted(wanted)),
        by_version=by_version,
        kinds=[kind for kind in queries.kinds() if (votes.kinds == kind).any()],
        n_all=len(votes),
    )


def as_file_rows(votes: ProjectVotes) -> Iterator[tuple[str, str, str, int]]:
    """(item, annotator, label, cluster) of each vote, as `python -m app agreement FILE` reads them."""
    for item, annotator, label, cluster in zip(
        votes.items.tolist(), votes.annotators.tolist(), votes.labels.tolist(), votes.clusters.tolist(), strict=True
    ):
        yield item, votes.pseudonyms[annotator], LABELS[label], cluster


def record_export(session: Session, *, project_id: int, actor_id: int, wanted: AgreementQuery, votes: int) -> None:
    audit.record(
        session,
        "votes.export",
        actor_id=actor_id,
        project_id=project_id,
        votes=votes,
        **wanted.model_dump(mode="json", exclude_none=True),
    )


def summarise_votes(votes: ProjectVotes, *, with_pairs: bool = True) -> AgreementSummary:
    """The same votes give the same summary, so it is kept by their content: a page that is opened again, and the
    versions beside it, cost nothing until a vote is added.
    """
    coded = _coded(votes)
    return _SUMMARIES.get(coded, with_pairs=with_pairs)


def _coded(votes: ProjectVotes) -> Votes:
    names, items = _first_seen(votes.items)
    annotator_ids, annotators = _first_seen(votes.annotators)
    scale = infer_scale(LABELS[code] for code in np.unique(votes.labels))
    place = np.array([scale.names.index(name) if name in scale.names else -1 for name in LABELS], dtype=np.int64)
    return Votes(
        items=items,
        annotators=annotators,
        labels=place[votes.labels],
        clusters=_first_seen(votes.clusters)[1],
        item_names=tuple(names.tolist()),
        annotator_names=tuple(votes.pseudonyms[annotator_id] for annotator_id in annotator_ids.tolist()),
        scale=scale,
    )


def _first_seen(values: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """The distinct values in the order of first appearance, and each one's code, as a file would be read."""
    distinct, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return distinct[order], place[codes]


class _Kept:
    """The last summaries by a digest of the votes that they were computed from; one cache a process."""

    SIZE = 64

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, AgreementSummary] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, votes: Votes, *, with_pairs: bool) -> AgreementSummary:
        key = self._key(votes, with_pairs=with_pairs)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        found = summarise_coded(votes, with_pairs=with_pairs)
        with self._lock:
            self._known[key] = found
            while len(self._known) > self.SIZE:
                self._known.popitem(last=False)
        return found

    @staticmethod
    def _key(votes: Votes, *, with_pairs: bool) -> bytes:
        digest = hashlib.sha256(repr((with_pairs, votes.annotator_names, votes.scale.names)).encode())
        for array in (votes.items, votes.annotators, votes.labels, votes.clusters):
            digest.update(array.tobytes() + b"|")
        return digest.digest()


_SUMMARIES = _Kept()
