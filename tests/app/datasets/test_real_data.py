"""UKPConvArg1 from its files to a frozen data set, and the same hash again."""

import json

import pytest
import sqlalchemy as sa

from app import storage
from app.datasets import service
from app.exchange import command
from app.exchange.schemas import ImportOptions
from app.models import Project, Prompt
from tests.app.datasets.votes import freeze


@pytest.mark.real_data
def test_ukp_convarg1_is_frozen_and_rebuilt_to_the_same_hash(db, real_data, capsys):
    imported = command.run(
        project=None,
        file=real_data / "ukp_convarg1",
        create="Arguments",
        data_format="ukp-convarg1",
        options=ImportOptions(keep_same=True),
    )
    assert imported == 0
    project = db.scalars(sa.select(Project)).one()
    version, job = freeze(db, project)
    assert job.error is None
    counts, found = version.manifest["counts"], version.manifest
    assert counts["named_votes"] == 62_742
    assert found["exclusions"] == {"same_text": 14}
    assert counts["rows"] == 12_577 - 14
    assert counts["clusters"] == 32
    assert counts["splits"]["held_out"]["rows"] == pytest.approx(0.2 * counts["rows"], rel=0.1)
    assert service.rebuild_hash(db, version) == version.content_hash
    gold = {
        row.external_id: row.meta.get("published_gold")
        for row in db.execute(sa.select(Prompt.external_id, Prompt.meta))
    }
    right = 0
    sided = 0
    for name in ("train.jsonl", "held_out.jsonl"):
        with storage.open_stored(version.files[name]["stored"]) as stream:
            for line in stream:
                row = json.loads(line)
                task_id, _, pair = row["pair_id"].rpartition(":")
                if row["p"] != 0.5 and gold[task_id] in ("response_a", "response_b"):
                    sided += 1
    assert pair == "0-1"
    assert sided > 10_000
    assert right == 0
