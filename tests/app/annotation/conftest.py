import pytest

from app.projects.definitions import Policy
from tests.app.annotation.desk import Clerk

PLAIN = Policy(overlap=1, gold_rate=0.0)


@pytest.fixture
def clerk(db):
    return Clerk(db)


@pytest.fixture
def project(make):
    """A project without gold, so that each serving is the queue's."""
    return make.project(policy=PLAIN)


@pytest.fixture
def annotators(make, project):
    """Eight members, as annotators."""
    return [make.annotator(make.member(project)) for _ in range(8)]
