"""UKPConvArg1 from its files to a frozen data set, and the same hash again."""

import json

import pytest
import sqlalchemy as sa

from app import queue, storage
from app.datasets import service
from app.datasets.schemas import FreezePolicy
from app.exchange import command
from app.exchange.schemas import ImportOptions
from app.models import Project, Prompt, Response

GOLD_TEXTS = sa.select(Prompt.external_id, Response.text).join(
    Response,
    sa.and_(
        Response.prompt_id == Prompt.id,
        Response.position
        == sa.case({"response_a": 0, "response_b": 1}, value=Prompt.meta["published_gold"].as_string(), else_=-1),
    ),
)
"""The text of the response that the authors call the better one, by the pair's id."""


def frozen(db, project):
    """By the handler itself: a worker's heartbeat would speak on the test's one connection while it is busy."""
    version = service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy())
    db.commit()
    job = queue.claim(version.job_id)
    service.run(job, queue.Reporter(job.id, job.attempt))
    db.refresh(version)
    return version


@pytest.mark.real_data
def test_ukp_convarg1_is_frozen_and_rebuilt_to_the_same_hash(db, real_data):
    imported = command.run(
        project=None,
        file=real_data / "ukp_convarg1",
        create="Arguments",
        data_format="ukp-convarg1",
        options=ImportOptions(keep_same=True),
    )
    assert imported == 0
    project = db.scalars(sa.select(Project)).one()
    version = frozen(db, project)
    counts, found = version.manifest["counts"], version.manifest
    assert counts["named_votes"] == 62_742
    assert found["exclusions"] == {"same_text": 14}
    assert counts["rows"] == 12_577 - 14
    assert counts["clusters"] == 24
    assert counts["splits"]["held_out"]["rows"] == pytest.approx(0.2 * counts["rows"], rel=0.1)
    assert service.rebuild_hash(db, version) == version.content_hash
    gold = dict(db.execute(GOLD_TEXTS).all())
    sided, right = 0, 0
    for name in ("train.jsonl", "held_out.jsonl"):
        with storage.open_stored(version.files[name]["stored"]) as stream:
            for row in map(json.loads, stream):
                text = gold.get(row["pair_id"].removesuffix(":0-1"))
                if row["p"] != 0.5 and text is not None:
                    sided, right = sided + 1, right + (row["chosen"] == text)
    assert sided > 10_000
    assert right / sided == 0  # the authors' label was computed from these votes
