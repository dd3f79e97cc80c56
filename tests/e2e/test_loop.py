"""The whole loop on a part of the real data, as `make loop` runs it on all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.servers import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.real_data]


def test_votes_of_real_people_become_a_reward_model_through_the_real_queue(real_data, tmp_path):
    figures = tmp_path / "loop.json"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.loop", "--short", "--json", str(figures)],
        cwd=ROOT,
        env={**os.environ, "ACCORD_DATA": str(real_data), "ACCORD_ENVIRONMENT": "development"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    found = json.loads(figures.read_text())
    assert 1_000 < found["dataset"]["counts"]["votes"] <= found["agreement"]["n_votes"]
    assert 0.8 < found["majority_against_gold"]["share"] < 1
    for name in ("held_out_votes", "held_out_cleaned"):
        metrics = found[name]
        assert metrics["n_clusters"] >= 1
        assert 0 < metrics["eval_accuracy"] < 1
        assert metrics["length_only_accuracy"] > 0.5
    assert found["held_out_votes"]["n_pairs"] == found["dataset"]["counts"]["splits"]["held_out"]["rows"]
    assert "where the shorter text wins" in run.stdout
