"""What annotators wrote in the named votes, as rows for supervised fine-tuning: edits, and answers to bare prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.datasets import queries
from app.datasets.schemas import FreezePolicy
from app.domain import datasets as ds

Write = Callable[[dict[str, Any], bytes], None]


class Cluster(Protocol):
    """The name that a prompt's rows are kept together by, from its content, metadata and domain."""

    def __call__(
        self, policy: FreezePolicy, content: dict[str, Any], meta: dict[str, Any], domain: str | None
    ) -> str: ...


def write_rows(
    session: Session,
    version_id: int,
    policy: FreezePolicy,
    *,
    cluster_of: Cluster,
    clusters_of_pairs: Collection[str],
    held_out: Collection[str],
    splits: tuple[str, str],
    digest: Any,
    write: Write,
) -> dict[str, int]:
    """Give each demonstration to `write` and to the hash, by the ids of what was written; {split: rows}.

    A cluster that pairs have too is on their side of the split. Others are held out by a hash of their name, about
    `policy.held_out_share` of them.
    """
    slices = {(each.by, each.value): each.weight for each in policy.slice_weights}
    train, held = splits
    counts: Counter[str] = Counter({train: 0, held: 0})
    for chunk in queries.written_responses(session, version_id):
        for found in chunk:
            cluster = cluster_of(policy, found.content, found.meta, found.domain)
            is_held_out = (
                cluster in held_out
                if cluster in clusters_of_pairs
                else ds.is_held_out(cluster, share=policy.held_out_share, seed=policy.split_seed)
            )
            row = _row(found, cluster, slices, split=held if is_held_out else train)
            line = ds.canonical_line(row)
            digest.update(line)
            write(row, line)
            counts[row["split"]] += 1
    return dict(counts)


def _row(found: Any, cluster: str, slices: dict[tuple[Any, str], float], *, split: str) -> dict[str, Any]:
    """One demonstration, with the fields that docs/datasets.md promises."""
    weight = slices.get(("domain", found.domain), 1.0) * slices.get(("language", found.language), 1.0)
    name = found.external_id if found.external_id is not None else f"prompt-{found.prompt_id}"
    messages = found.content.get("messages")
    return {
        "prompt": messages if messages is not None else found.content.get("text", ""),
        "completion": found.text,
        "weight": ds.rounded(weight),
        "demonstration_id": f"{name}:written-{found.response_id}",
        "edited_from": found.edited_from,
        "prompt_cluster": cluster,
        "guideline_version": found.guideline_version,
        "domain": found.domain,
        "language": found.language,
        "split": split,
    }
