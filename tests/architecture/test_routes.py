"""Every route times every role. A route that is not in the table fails the build.

The table says who may use a route; the test walks it as everybody: nobody, a stranger, an annotator, a reviewer and an
admin of the project, and an instance admin. Refusals are exact: nobody is led to the sign-in or gets 401, a stranger
to the project gets 404, too small a role 403. Who is let in may still be told that an empty form is not valid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts

from app import queue
from app.models import Role
from tests.architecture.route_table import PUBLIC, TABLE

ROLES = ("nobody", "stranger", "annotator", "reviewer", "admin", "instance_admin")
RANK = {role: rank for rank, role in enumerate(ROLES)}


@dataclass
class World:
    clients: dict[str, object]
    ids: dict[str, object]
    foreign_ids: dict[str, object]


@pytest.fixture
def world(make, browse, db):
    project, other = make.project(), make.project()
    people = {
        "stranger": make.user(),
        "annotator": make.member(project, Role.ANNOTATOR),
        "reviewer": make.member(project, Role.REVIEWER),
        "admin": make.member(project, Role.ADMIN),
        "instance_admin": make.admin(),
    }
    clients = {"nobody": browse(), **{role: browse(user) for role, user in people.items()}}
    return World(clients, ids_of(make, db, project), ids_of(make, db, other) | {"project_id": project.id})


def ids_of(make, db, project):
    """Things of one project, by the names that paths use for them. What belongs to a person is not the asker's own."""
    member = make.member(project)
    task = make.task(project)
    assignment = make.assignment(task, make.annotator(member))
    make.training_run(project)
    job = queue.enqueue(db, queue.Job.IMPORT_TASKS, {}, project_id=project.id, created_by_id=member.id)
    db.commit()
    return {
        "project_id": project.id,
        "task_id": task.id,
        "public_id": assignment.public_id,
        "job_id": job.id,
        "user_id": member.id,
        "number": 1,
    }


def routes(app):
    for route in iter_route_contexts(app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


def fill(path, ids):
    """The path with ids; what the world does not have gets an id that exists nowhere."""
    unknown = {"token": "no-such-token", "public_id": uuid4()}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda m: str({**unknown, **ids}.get(m.group(1), 999_999_999)), path)


def call(client, method, address):
    return client.request(method, address, headers={"accept": "text/html"})


def outcome(response):
    """allowed, sign_in, 403 or 404 (an error page of the program, not of the object asked for)."""
    location = response.headers.get("location", "")
    if response.status_code == 401 or location.startswith("/sign-in"):
        return "sign_in"
    if response.status_code in (403, 404):
        return str(response.status_code)
    return "allowed"


def expected(who, role, path):
    if who is PUBLIC:
        return {"allowed", "404", "403"} if "{" in path else {"allowed"}
    if role == "nobody":
        return {"sign_in"}
    if who.is_own:  # the thing belongs to somebody else: nobody sees it, whatever the role
        return {"404"}
    if RANK[role] >= RANK[who.least]:
        return {"allowed"} if who.exists else {"allowed", "404"}
    return {"404"} if role == "stranger" and "{project_id}" in path else {"403", "404"} if who.hides else {"403"}


def test_every_route_stands_in_the_table(anonymous):
    found = set(routes(anonymous.app))
    assert found - set(TABLE) == set(), "routes without a line in tests/architecture/route_table.py"
    assert set(TABLE) - found == set(), "lines without a route"


@pytest.mark.parametrize("role", ROLES)
def test_every_route_refuses_whom_it_should(role, world):
    wrong = []
    for (method, path), who in TABLE.items():
        response = call(world.clients[role], method, fill(path, world.ids))
        if response.status_code >= 500 or outcome(response) not in expected(who, role, path):
            wrong.append((method, path, response.status_code, response.headers.get("location", "")))
    assert wrong == []


def test_things_of_another_project_are_not_found(world):
    """An admin of one project asks for another's things under the own project's address."""
    wrong = []
    for (method, path), who in TABLE.items():
        names = set(re.findall(r"\{(\w+)", path)) - {"project_id", "number"}
        if "{project_id}" not in path or not names & set(world.foreign_ids) or who is PUBLIC:
            continue
        response = call(world.clients["admin"], method, fill(path, world.foreign_ids))
        if response.status_code not in (404, 422) or (response.status_code == 422 and "user_id" not in names):
            wrong.append((method, path, response.status_code))
    assert wrong == []


def test_posts_without_a_token_are_refused(world):
    client = world.clients["instance_admin"]
    del client.headers["X-CSRF-Token"]
    wrong = [
        (method, path)
        for method, path in TABLE
        if method != "GET" and call(client, method, fill(path, world.ids)).status_code != 403
    ]
    assert wrong == []


def test_posts_from_another_site_are_refused(world):
    client = world.clients["instance_admin"]
    client.headers["sec-fetch-site"] = "cross-site"
    wrong = [
        (method, path)
        for method, path in TABLE
        if method != "GET" and call(client, method, fill(path, world.ids)).status_code != 403
    ]
    assert wrong == []


def test_every_answer_carries_the_security_headers(world):
    for method, path in TABLE:
        response = call(world.clients["nobody"], method, fill(path, world.ids))
        assert "script-src 'self'" in response.headers["content-security-policy"], path
        assert response.headers["x-content-type-options"] == "nosniff", path
