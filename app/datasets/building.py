"""From the votes that a version names to its rows: a pure function of those votes and of the policy.

Two walks over the texts: the first learns the clusters and what has to be left out, the second writes the rows, when
it is known who is held out. Memory holds numbers of all votes, but texts of one chunk only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sqlalchemy.orm import Session

from app.datasets import demonstrations, queries
from app.datasets import votes as votes_module
from app.datasets.schemas import FreezePolicy
from app.datasets.votes import NamedVotes
from app.domain import datasets as ds
from app.domain.aggregation import pseudo_votes
from app.domain.agreement_intervals import Estimate
from app.domain.reliability_weights import reliability_weights
from app.errors import Conflict

TRAIN, HELD_OUT = "train", "held_out"
ASSUMED_AGREEMENT = 0.73
"""Where no two people judged the same pair; 72.6 ± 1.5% among InstructGPT's labellers, 73% in Stiennon et al. 2020."""
SHOWN_VALUES = 50
SEED = 20_110_117
MAX_POSITION = 2**15

Write = Callable[[dict[str, Any], bytes], None]


class Report(Protocol):
    """How far the work is; app.queue.Reporter is one. It may raise to stop the work."""

    def __call__(
        self, *, progress: float | None = None, phase: str | None = None, message: str | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Built:
    """The hash over all canonical rows, and what the manifest says of them."""

    content_hash: str
    manifest: dict[str, Any]


@dataclass(slots=True)
class _Texts:
    """What the first walk learns of each pair (pairs,), by the pair's code."""

    cluster: list[str]
    longer: ds.Ints
    """Characters of the response with the lower id, less those of the other."""
    left_out: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that the second walk needs to know of a pair, by its code."""

    labels: ds.Labels
    kept: ds.Flags
    guidelines: ds.Ints
    held_out: frozenset[str]
    cluster: list[str]
    ranks: dict[int, dict[int, int]]


def build(session: Session, version_id: int, policy: FreezePolicy, *, write: Write, report: Report) -> Built:
    """Give every row, and its line of canonical JSON, to `write`, in the one order that the hash is taken in.

    Raises Conflict with a sentence where these votes make no data set.
    """
    named = queries.count_named_votes(session, version_id)
    if named and not queries.has_preferences(session, version_id):
        return _build_demonstrations(session, version_id, policy, named=named, write=write)
    votes = votes_module.read(
        session,
        version_id,
        seen=lambda done: report(phase="reading", progress=0.05 + 0.2 * min(done / max(named, 1), 1)),
    )
    texts = _learn_texts(session, version_id, votes, policy, report)
    agreement = votes.agreement(texts.cluster)
    agreement["sides"] = votes.side_agreement()
    report(phase="labelling", progress=0.5)
    used_votes = _used_votes(votes, policy)
    weights, weighing = _weights(votes, policy, used_votes)
    if weighing:
        agreement["weighted_sides"] = votes.side_agreement(weights)
    used, source = _used_agreement(policy, agreement["weighted_sides" if weighing else "sides"])
    labels = ds.label_pairs(
        votes.pairs[used_votes],
        votes.signed[used_votes],
        votes.steps[used_votes],
        n_pairs=votes.n_pairs,
        agreement=used,
        weights=weights[used_votes],
    )
    reasons = _left_out(labels, texts, policy)
    kept = np.ones(votes.n_pairs, dtype=np.bool_)
    kept[list(reasons)] = False
    sizes = Counter(texts.cluster[code] for code in np.flatnonzero(kept).tolist())
    held_out = _split(sizes, policy, labels, texts, kept)
    plan = _Plan(labels, kept, votes.newest_guidelines(), held_out, texts.cluster, _rankings(votes, labels))
    digest = hashlib.sha256()
    seen = _write_rows(session, version_id, votes, policy, plan, write, report, digest)
    written = demonstrations.write_rows(
        session,
        version_id,
        policy,
        cluster_of=_cluster,
        clusters_of_pairs=frozenset(texts.cluster),
        held_out=held_out,
        splits=(TRAIN, HELD_OUT),
        digest=digest,
        write=write,
    )
    content_hash = digest.hexdigest()
    manifest = {
        "counts": {**_counts(votes, texts, plan), "named_votes": named, "demonstrations": written},
        **seen,
        "guideline_versions": _guideline_counts(votes),
        "annotator_kinds": votes.kinds,
        "overlap_reasons": votes.reasons,
        "agreement": {**agreement, "used": used, "source": source, "pseudo_votes": ds.rounded(pseudo_votes(used))},
        **({"reliability_weights": weighing} if weighing else {}),
        "labels": _distribution(labels, kept),
        "length_only": _length_only(texts, plan),
        "exclusions": dict(sorted(Counter(reasons.values()).items())),
        "content_hash": content_hash,
    }
    return Built(content_hash, manifest)


def _build_demonstrations(
    session: Session, version_id: int, policy: FreezePolicy, *, named: int, write: Write
) -> Built:
    """A version of votes that compare nothing: only what was written, with the same manifest."""
    digest = hashlib.sha256()
    written = demonstrations.write_rows(
        session,
        version_id,
        policy,
        cluster_of=_cluster,
        clusters_of_pairs=(),
        held_out=(),
        splits=(TRAIN, HELD_OUT),
        digest=digest,
        write=write,
    )
    if not sum(written.values()):
        raise votes_module.no_votes()
    used, source = _used_agreement(policy, None)
    counts: dict[str, Counter[Any]] = {"guidelines": Counter(), "kinds": Counter(), "reasons": Counter()}
    people = set()
    for annotator_id, kind, reason, guideline, n in queries.voters(session, version_id):
        people.add(annotator_id)
        counts["guidelines"][guideline] += n
        counts["kinds"][kind] += n
        counts["reasons"][reason] += n
    nothing = {"rows": 0, "votes": 0, "ties": 0, "clusters": 0}
    agreement = {"raw": None, "alpha_sym": None, "n_items": 0, "n_votes": 0, "sides": None}
    content_hash = digest.hexdigest()
    manifest = {
        "counts": {
            **nothing,
            "annotators": len(people),
            "splits": {TRAIN: nothing, HELD_OUT: nothing},
            "named_votes": named,
            "demonstrations": written,
        },
        "criteria": {},
        "domains": {},
        "languages": {},
        "guideline_versions": [
            {"number": number, "votes": n} for number, n in sorted(counts["guidelines"].items(), key=str)
        ],
        "annotator_kinds": dict(counts["kinds"]),
        "overlap_reasons": dict(counts["reasons"]),
        "agreement": {**agreement, "used": used, "source": source, "pseudo_votes": ds.rounded(pseudo_votes(used))},
        "labels": [],
        "length_only": _estimate(ds.length_only(np.array([], dtype=np.int64), np.array([], dtype=np.int64), seed=SEED)),
        "exclusions": {},
        "content_hash": content_hash,
    }
    return Built(content_hash, manifest)


def _learn_texts(session: Session, version_id: int, votes: NamedVotes, policy: FreezePolicy, report: Report) -> _Texts:
    codes = votes.codes()
    found = _Texts([""] * votes.n_pairs, np.zeros(votes.n_pairs, dtype=np.int64), {})
    done = 0
    for chunk in queries.pair_texts(session, version_id):
        for row in chunk:
            low, high = row[6], row[7]
            cluster = _cluster(policy, row[4], row[5], row[12])
            problem = "empty_response" if not low.strip() or not high.strip() else "same_text" if low == high else None
            for code in codes[row[0], row[1]]:
                done += 1
                found.cluster[code] = cluster
                found.longer[code] = len(low) - len(high)
                if problem is not None:
                    found.left_out[code] = problem
        report(phase="reading", progress=0.25 + 0.2 * done / votes.n_pairs)
    return found


def _cluster(policy: FreezePolicy, content: dict[str, Any], meta: dict[str, Any], domain: str | None) -> str:
    """What a prompt's rows are kept together by: its domain, a name given in its metadata, or what it says."""
    if policy.cluster_by == "domain" and domain is not None:
        return f"domain:{domain}"
    named = meta.get(policy.cluster_key) if policy.cluster_key else None
    if isinstance(named, str | int) and str(named).strip():
        return f"{policy.cluster_key}:{named}"
    messages = content.get("messages")
    if messages is None:
        return ds.text_cluster([str(content.get("text", ""))])
    return ds.text_cluster(part for message in messages for part in (str(message["role"]), str(message["content"])))


def _used_agreement(policy: FreezePolicy, measured: float | None) -> tuple[float, str]:
    """P for the labels and where it comes from."""
    if policy.agreement is not None:
        return policy.agreement, "given"
    if measured is not None:
        return ds.rounded(measured), "measured"
    return ASSUMED_AGREEMENT, "assumed"


def _used_votes(votes: NamedVotes, policy: FreezePolicy) -> ds.Flags:
    return ~votes.is_both_bad if policy.both_bad == "leave_out" else np.ones(len(votes.pairs), dtype=np.bool_)


def _weights(votes: NamedVotes, policy: FreezePolicy, used: ds.Flags) -> tuple[ds.Floats, dict[str, Any]]:
    """What each vote weighs (votes,), and what the manifest says of it: nothing where every vote weighs 1."""
    if policy.label_rule == "soft":
        return np.ones(len(votes.pairs)), {}
    annotators = np.unique(votes.annotators, return_inverse=True)[1].ravel()
    n_annotators = int(annotators.max()) + 1
    found = reliability_weights(
        votes.pairs[used],
        annotators[used],
        ds.vote_values(votes.signed[used], votes.steps[used]),
        n_items=votes.n_pairs,
        n_annotators=n_annotators,
    )
    # As rows are: sums taken in another order are the same weights.
    weight = np.round(found.weight, ds.DIGITS)
    voted = np.bincount(annotators[used], minlength=n_annotators) > 0
    return weight[annotators], {
        "pool_accuracy": ds.rounded(found.pool_accuracy),
        "effective_votes": round(float(weight[annotators[used]].sum()), 1),
        "n_without_weight": int((weight[voted] == 0).sum()),
        "has_converged": found.has_converged,
    }


def _left_out(labels: ds.Labels, texts: _Texts, policy: FreezePolicy) -> dict[int, str]:
    """Why a pair is no row, by its code; the first reason that holds."""
    found = dict(texts.left_out)
    for code in np.flatnonzero(labels.n_votes < policy.minimum_votes).tolist():
        found.setdefault(code, "too_few_votes")
    if policy.ties == "leave_out":
        for code in np.flatnonzero(labels.is_tie).tolist():
            found.setdefault(code, "tie")
    return found


def _split(
    sizes: Counter[str], policy: FreezePolicy, labels: ds.Labels, texts: _Texts, kept: ds.Flags
) -> frozenset[str]:
    """The clusters held out; Conflict where no split can be learnt from and tested on."""
    if not sizes:
        raise Conflict(
            "Not one pair becomes a row by this policy: each is left out as a tie, for too few votes or for its texts.",
            code="no_rows",
        )
    sided = {texts.cluster[code] for code in np.flatnonzero(kept & ~labels.is_tie).tolist()}
    if not sided:
        raise Conflict("Every row is a tie: nothing says which response is better.", code="all_ties")
    if len(sided) < 2:
        raise Conflict(
            "All rows with a better side belong to one cluster of prompts, so none can be held out without telling "
            "training about them. Name clusters by the prompt instead of the domain, or add judgements on other "
            "prompts.",
            code="one_cluster",
        )
    return ds.held_out_clusters(sizes, sided, share=policy.held_out_share, seed=policy.split_seed)


def _rankings(votes: NamedVotes, labels: ds.Labels) -> dict[int, dict[int, int]]:
    """Places of both responses of each pair that a ranking made, by the pair's code: {response id: place}."""
    wins: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for code, group in votes.groups.items():
        low, high = int(votes.low[code]), int(votes.high[code])
        of_group = wins.setdefault((group, votes.criterion[code]), [])
        if not labels.is_tie[code]:
            of_group.append((low, high) if labels.is_low_chosen[code] else (high, low))
    places = {key: ds.ranks(pairs, votes.members[key[0]]) for key, pairs in wins.items()}
    return {code: places[group, votes.criterion[code]] for code, group in votes.groups.items()}


def _write_rows(
    session: Session,
    version_id: int,
    votes: NamedVotes,
    policy: FreezePolicy,
    plan: _Plan,
    write: Write,
    report: Report,
    digest: Any,
) -> dict[str, Any]:
    codes = votes.codes()
    slices = {(each.by, each.value): each.weight for each in policy.slice_weights}
    seen: dict[str, Counter[str]] = {"criteria": Counter(), "domains": Counter(), "languages": Counter()}
    done, total = 0, max(int(plan.kept.sum()), 1)
    for chunk in queries.pair_texts(session, version_id):
        for found in chunk:
            for code in codes[found[0], found[1]]:
                if not plan.kept[code]:
                    continue
                row = _row(found, code, votes, plan, slices)
                line = ds.canonical_line(row)
                digest.update(line)
                write(row, line)
                done += 1
                for name, column in (("criteria", "criterion"), ("domains", "domain"), ("languages", "language")):
                    seen[name][row[column] or ""] += 1
        report(phase="writing", progress=0.5 + 0.4 * done / total, message=str(done))
    return {name: dict(counts.most_common(SHOWN_VALUES)) for name, counts in seen.items()}


def _row(found: Any, code: int, votes: NamedVotes, plan: _Plan, slices: dict[tuple[Any, str], float]) -> dict[str, Any]:
    """One pair under one criterion, with the fields that docs/datasets.md promises."""
    (low_id, high_id, prompt_id, external_id, content, _meta) = found[:6]
    (low_text, high_text, low_model, high_model, low_place, high_place, domain, language) = found[6:]
    labels, criterion = plan.labels, votes.criterion[code]
    sides = [(low_id, low_text, low_model), (high_id, high_text, high_model)]
    chosen, rejected = sides if labels.is_low_chosen[code] else sides[::-1]
    group = votes.groups.get(code)
    weight = 1.0 if group is None else 2 / len(votes.members[group])
    for key in (("domain", domain), ("language", language), ("criterion", criterion)):
        weight *= slices.get(key, 1.0)
    places = plan.ranks.get(code)
    first, second = sorted((_place(low_id, low_place), _place(high_id, high_place)))
    return {
        "prompt": content["messages"] if "messages" in content else content.get("text", ""),
        "chosen": chosen[1],
        "rejected": rejected[1],
        "p": float(labels.p[code]),
        "weight": ds.rounded(weight),
        "margin": float(labels.margin[code]),
        "pair_id": f"{external_id if external_id is not None else f'prompt-{prompt_id}'}:{first[1]}-{second[1]}",
        "group_id": group,
        "rank": None if places is None else [places[chosen[0]], places[rejected[0]]],
        "prompt_cluster": plan.cluster[code],
        "criterion": criterion,
        "strength": float(labels.strength[code]),
        "n_votes": int(labels.n_votes[code]),
        "guideline_version": int(plan.guidelines[code]) or None,
        "domain": domain,
        "language": language,
        "models": {"chosen": chosen[2], "rejected": rejected[2]},
        "split": HELD_OUT if plan.cluster[code] in plan.held_out else TRAIN,
    }


def _place(response_id: int, position: int | None) -> tuple[int, str]:
    """Where a response stands among those of its prompt, and its name in a pair's id; written ones come last."""
    return (position, str(position)) if position is not None else (MAX_POSITION + response_id, f"written-{response_id}")


def _counts(votes: NamedVotes, texts: _Texts, plan: _Plan) -> dict[str, Any]:
    kept = np.flatnonzero(plan.kept)
    is_held_out = np.array([texts.cluster[code] in plan.held_out for code in kept.tolist()])

    def part(codes: ds.Ints) -> dict[str, int]:
        return {
            "rows": len(codes),
            "votes": int(plan.labels.n_votes[codes].sum()),
            "ties": int(plan.labels.is_tie[codes].sum()),
            "clusters": len({texts.cluster[code] for code in codes.tolist()}),
        }

    return {
        **part(kept),
        "annotators": len(np.unique(votes.annotators)),
        "splits": {TRAIN: part(kept[~is_held_out]), HELD_OUT: part(kept[is_held_out])},
    }


def _guideline_counts(votes: NamedVotes) -> list[dict[str, int | None]]:
    numbers, counts = np.unique(votes.guidelines, return_counts=True)
    return [{"number": int(number) or None, "votes": int(n)} for number, n in zip(numbers, counts, strict=True)]


def _distribution(labels: ds.Labels, kept: ds.Flags) -> list[dict[str, Any]]:
    """Rows by p: ties, then a tenth at a time up to 1."""
    p = labels.p[kept]
    bins = [{"above": 0.5, "to": 0.5, "rows": int((p == 0.5).sum())}]
    for tenth in range(5, 10):
        low, high = tenth / 10, (tenth + 1) / 10
        bins.append({"above": low, "to": high, "rows": int(((p > low) & (p <= high)).sum())})
    return bins


def _length_only(texts: _Texts, plan: _Plan) -> dict[str, Any]:
    sided = np.flatnonzero(plan.kept & ~plan.labels.is_tie)
    codes = np.array([code for code in sided.tolist() if texts.cluster[code] in plan.held_out], dtype=np.int64)
    longer = np.where(plan.labels.is_low_chosen[codes], texts.longer[codes], -texts.longer[codes])
    clusters = np.unique([texts.cluster[code] for code in codes.tolist()], return_inverse=True)[1].ravel()
    return _estimate(ds.length_only(longer, clusters, seed=SEED))


def _estimate(estimate: Estimate) -> dict[str, Any]:
    def shown(value: float | None) -> float | None:
        return None if value is None else ds.rounded(value)

    return {
        "value": shown(estimate.value),
        "low": shown(estimate.low),
        "high": shown(estimate.high),
        "n": estimate.n,
        "reason": estimate.reason,
    }
