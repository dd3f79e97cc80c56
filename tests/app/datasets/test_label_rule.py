"""Labels weighted by reliability, on the real database."""

import itertools

import pytest

from app.datasets import service
from app.datasets.schemas import FreezePolicy
from app.models import AnnotatorKind, Role
from tests.app.datasets.test_freezing import rows
from tests.app.datasets.votes import freeze, some_votes, vote


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def with_an_adversary(make, project):
    """Two who agree on every pair, and one who always says the opposite."""
    people = [make.outside_annotator(project, AnnotatorKind.IMPORTED) for _ in range(3)]
    tasks = [make.task(project, prompt=f"Prompt {n}", responses=(f"Good {n}.", f"Bad {n}.")) for n in range(12)]
    for task, (place, person) in itertools.product(tasks, enumerate(people)):
        vote(make, task, person, "second" if place == 2 else "first")
    return tasks


def test_who_agrees_with_nobody_weighs_less_and_the_manifest_says_so(db, project, with_an_adversary):
    plain, _ = freeze(db, project)
    weighted, _ = freeze(db, project, label_rule="reliability_weighted")
    assert "reliability_weights" not in plain.manifest
    assert weighted.manifest["reliability_weights"]["n_without_weight"] == 1
    assert weighted.manifest["reliability_weights"]["effective_votes"] == 24
    assert (plain.manifest["agreement"]["used"], weighted.manifest["agreement"]["used"]) == (pytest.approx(1 / 3), 1)
    # P is kept within [.55, .99]: a = .45 / .1 with three votes of 1, a = .01 / .98 with two.
    assert {row["p"] for row in rows(plain)} == {round((4.5 + 2) / 12, 6)}
    a = 0.01 / 0.98
    assert {row["p"] for row in rows(weighted)} == {round((a + 2) / (2 * a + 2), 6)}
    assert {row["n_votes"] for row in rows(weighted)} == {3}


def test_the_page_says_what_the_votes_weigh(db, browse, make, project, with_an_adversary):
    freeze(db, project, label_rule="reliability_weighted")
    page = browse(make.member(project, Role.REVIEWER)).get(f"/projects/{project.id}/datasets/1").text
    assert "they weigh as much as 24 votes. Annotators whose votes weigh nothing: 1." in page
    assert "more reliable its annotator" in page


def test_a_weighted_version_is_rebuilt_to_the_same_hash(make, db, project):
    some_votes(make, project, n_tasks=12, n_annotators=4)
    version, _ = freeze(db, project, label_rule="reliability_weighted")
    assert service.rebuild_hash(db, version) == version.content_hash


def test_a_policy_from_before_the_rule_existed_is_soft_and_keeps_its_hash(make, db, project):
    some_votes(make, project, n_tasks=12)
    version, _ = freeze(db, project)
    db.expunge(version)  # a frozen version cannot be changed
    version.policy = {name: value for name, value in version.policy.items() if name != "label_rule"}
    assert FreezePolicy.model_validate(version.policy).label_rule == "soft"
    assert service.rebuild_hash(db, version) == version.content_hash
