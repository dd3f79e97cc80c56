"""The same promises over HTTP: web processes of their own, real sockets, real commits."""

import asyncio
import json
import socket
import struct
import time
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.integrity.web import HTMX, all_of, browser, program, sign_in, web
from tests.support.desk_client import form_of

pytestmark = pytest.mark.integrity

ROUNDS = 50
CLIENTS = 64
DEADLINE = 300

FAIL_AT_COMMIT = """
CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this commit fails'; END $$;
CREATE CONSTRAINT TRIGGER fail_at_commit AFTER INSERT ON annotation DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.rationale = 'fail at commit') EXECUTE FUNCTION fail_at_commit()
"""


def annotation_url(public_id):
    return f"/api/v1/assignments/{public_id}/annotation"


def run(coroutine):
    async def bounded():
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(bounded())


def test_64_clients_on_one_place_over_http_count_exactly_one_each_round(world):
    people = world.people(CLIENTS)
    rounds = world.projects(ROUNDS, members=people)

    async def judge(client, project_id):
        answer = await client.post(f"/api/v1/projects/{project_id}/next")
        assert answer.status_code == 200
        found = answer.json()["assignment"]
        if found is None:
            return answer.json()["reason"]
        taken = await client.post(annotation_url(found["public_id"]), json={"answer": -2})
        assert taken.status_code == 200
        return "late" if taken.json()["is_late"] else "counted"

    async def race(addresses):
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(program(addresses[n % len(addresses)], person))
                for n, person in enumerate(people)
            ]
            return [await all_of(judge(client, project_id) for client in opened) for project_id in rounds]

    with web(world, 2) as addresses:
        outcomes = run(race(addresses))
    assert [Counter(outcome)["counted"] for outcome in outcomes] == [1] * ROUNDS
    assert {what for outcome in outcomes for what in outcome} <= {"counted", "others_at_work", "all_done"}
    assert [tuple(row) for row in world.sql("SELECT DISTINCT n_counted, n_leased, status FROM task")] == [
        (1, 0, "done")
    ]


async def drain_by_program(client, project_id, n):
    """Judge until nothing is left: now and then a task is given back, every second judgement is sent twice at once."""
    for turn in range(1000):
        answer = (await client.post(f"/api/v1/projects/{project_id}/next")).json()
        found = answer["assignment"]
        if found is None and answer["reason"] in ("all_done", "nothing_for_you"):
            return
        if found is None:
            await asyncio.sleep(0.05)
        elif (turn + n) % 11 == 3:
            await client.post(f"/api/v1/assignments/{found['public_id']}/return")
        else:
            url = annotation_url(found["public_id"])
            taken = await all_of(client.post(url, json={"answer": 1}) for _ in range(1 + turn % 2))
            assert {answer.status_code for answer in taken} == {200}
    raise AssertionError("the queue never ended")


async def drain_by_browser(client, project_id, n):
    """The same as htmx does it: each answer brings the next task; one task of each person is skipped."""
    desk = f"/projects/{project_id}/judge"
    page = (await client.get(desk)).text
    for turn in range(1000):
        found = form_of(page)
        if found is None and 'data-reason="all_done"' in page:
            return
        if found is None:
            await asyncio.sleep(0.05)
            answer = await client.get(desk, headers=HTMX)
        elif turn == n % 7:
            address, fields = f"{found[0]}/skip", {**found[1], "skip_reason": "unclear"}
            answer = await client.post(address, data=fields, headers=HTMX)
        else:
            answer = await client.post(found[0], data={**found[1], "choice": "b1"}, headers=HTMX)
        assert answer.status_code == 200
        page = answer.text
    raise AssertionError("the queue never ended")


def test_a_drain_of_150_tasks_by_32_annotators_ends_with_exactly_300(world):
    """Half of them are browsers with htmx, half programs, over two web processes."""
    people = world.people(32)
    [project_id] = world.projects(1, tasks=150, overlap=2, members=people)
    sign_in(world, people)

    async def drain(address, person, n):
        opened, work = (browser, drain_by_browser) if n % 2 else (program, drain_by_program)
        async with opened(address, person) as client:
            await work(client, project_id, n)

    with web(world, 2) as addresses:
        run(all_of(drain(addresses[n // 2 % 2], person, n) for n, person in enumerate(people)))
    counts = world.sql("SELECT n_counted, n_leased, status, count(*) FROM task GROUP BY 1, 2, 3")
    assert [tuple(row) for row in counts] == [(2, 0, "done", 150)]
    kept = world.sql("SELECT standing, count(*) FROM annotation GROUP BY 1")
    assert [tuple(row) for row in kept] == [("counted", 300)]


def test_200_clients_at_once_on_a_pool_of_5_are_all_answered(world):
    people = world.people(200)
    [project_id] = world.projects(1, tasks=200, overlap=1, members=people)

    async def ask(client):
        answer = await client.post(f"/api/v1/projects/{project_id}/next")
        return answer.status_code, (answer.json().get("assignment") or {}).get("public_id")

    async def rush(address):
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(program(address, person)) for person in people]
            return await all_of(ask(client) for client in opened)

    with web(world, pool=5) as [address]:
        answers = run(rush(address))
        assert httpx.get(f"{address}/readyz").status_code == 200
    assert Counter(status for status, _ in answers) == {200: 200}
    assert len({public_id for _, public_id in answers} - {None}) == 200


def send_and_leave(address, path, body, *, token, key):
    """Send a whole request and break the connection without reading a byte of the answer."""
    host, port = address.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(head.encode() + content)


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def test_a_reply_cut_after_the_commit_makes_no_duplicate(world):
    [person] = world.people(1)
    [project_id] = world.projects(1, tasks=20, members=[person])
    headers = {"Authorization": f"Bearer {person.token}"}
    with web(world) as [address], httpx.Client(base_url=address, headers=headers, timeout=30) as client:
        for n in range(1, 21):
            public_id = client.post(f"/api/v1/projects/{project_id}/next").json()["assignment"]["public_id"]
            body = {"answer": 1, "rationale": f"Number {n}"}
            key = {"Idempotency-Key": f"key-{n}"}
            send_and_leave(address, annotation_url(public_id), body, token=person.token, key=f"key-{n}")
            wait_for(lambda n=n: world.value("SELECT count(*) FROM annotation") == n)
            saved = world.value("SELECT max(id) FROM annotation")
            again = client.post(annotation_url(public_id), json=body, headers=key)
            assert (again.status_code, again.json()["id"]) == (200, saved)
            other = client.post(annotation_url(public_id), json={"answer": -1}, headers=key)
            assert other.status_code == 409
    assert world.value("SELECT count(*) FROM annotation") == 20


def test_a_commit_that_fails_is_never_answered_200(world):
    [person] = world.people(1)
    [project_id] = world.projects(1, tasks=2, members=[person])
    sign_in(world, [person])
    world.sql(FAIL_AT_COMMIT)

    async def judge(address):
        async with program(address, person) as api, browser(address, person) as page:
            found = (await api.post(f"/api/v1/projects/{project_id}/next")).json()["assignment"]
            body = {"answer": 1, "rationale": "fail at commit"}
            by_api = await api.post(annotation_url(found["public_id"]), json=body)
            action, fields = form_of((await page.get(f"/projects/{project_id}/judge")).text)
            form = {**fields, "choice": "b1", "rationale": "fail at commit"}
            by_form = await page.post(action, data=form)
            by_htmx = await page.post(action, data=form, headers=HTMX)
            kept = world.value("SELECT count(*) FROM annotation")
            works = await page.post(action, data={**form, "rationale": "fine"})
            return [by_api, by_form, by_htmx], kept, works

    with web(world) as [address]:
        failed, kept, works = run(judge(address))
    assert [answer.status_code >= 500 for answer in failed] == [True, True, True]
    assert "Nothing was saved" in failed[0].json()["detail"]
    assert kept == 0
    assert works.status_code == 303
    assert world.value("SELECT count(*) FROM annotation") == 1


def test_expired_leases_are_handed_on_and_late_answers_count_where_there_is_room(world):
    early, late, punctual = world.people(3)
    [project_id] = world.projects(1, tasks=2, overlap=1, members=[early, late, punctual])

    async def judge(address):
        async with program(address, early) as a, program(address, late) as b, program(address, punctual) as c:
            leases = {}
            for name, client in (("early", a), ("late", b)):
                answer = await client.post(f"/api/v1/projects/{project_id}/next")
                leases[name] = answer.json()["assignment"]["public_id"]
            assert (await c.post(f"/api/v1/projects/{project_id}/next")).json()["reason"] == "others_at_work"
            world.sql("UPDATE assignment SET expires_at = now() - interval '1 second'")
            handed_on = (await c.post(f"/api/v1/projects/{project_id}/next")).json()["assignment"]["public_id"]
            task_of = dict(world.sql("SELECT public_id::text, task_id FROM assignment WHERE state = 'open'"))
            assert set(task_of) == {handed_on}
            taken_from = world.value(
                "SELECT public_id::text FROM assignment WHERE task_id = :id AND state = 'expired'",
                id=task_of[handed_on],
            )
            answers = {}
            for name, client in (("early", a), ("late", b)):
                taken = await client.post(annotation_url(leases[name]), json={"answer": 2})
                answers[leases[name] == taken_from] = taken.json()["is_late"]
            counted = await c.post(annotation_url(handed_on), json={"answer": -1})
            return answers, counted.json()["is_late"]

    with web(world) as [address]:
        answers, is_late = run(judge(address))
    assert answers == {True: True, False: False}
    assert is_late is False
    assert [tuple(row) for row in world.sql("SELECT n_counted, n_leased FROM task")] == [(1, 0), (1, 0)]
