"""200 annotators at once through the desk's own pages, over four web processes, counted in the database."""

import asyncio
import os
import random
import time
from collections import Counter
from functools import partial

import pytest

from tests.integrity.web import all_of, cookie, sign_in, web
from tests.support.desk_client import DeskClient, form_of

pytestmark = pytest.mark.integrity

ANNOTATORS = 200
FEWEST = 4
SECONDS = 60 if os.environ.get("ACCORD_PROVE") else 10
TASKS = 20_000 if os.environ.get("ACCORD_PROVE") else 3_000


async def patiently(ask):
    """What the server answers once it is not too busy: a 503 says that nothing was saved."""
    status, page = await ask()
    while status == 503:
        await asyncio.sleep(0.2)
        status, page = await ask()
    assert status == 200
    return page


async def judge_for(seconds, all_here, address, person, project_id):
    """The ids of the servings whose judgement was acknowledged; some tasks are skipped, some judgements sent twice.

    The time begins when everybody has a task on the desk; on a machine that is busy everybody judges a few anyway.
    """
    dice = random.Random(person.annotator_id)
    client, acknowledged = DeskClient(address, cookie(person)), []
    desk = f"/projects/{project_id}/judge"
    try:
        page = await patiently(lambda: client.get(desk))
        await all_here.wait()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or len(acknowledged) < FEWEST:
            found = form_of(page)
            if found is None:
                await asyncio.sleep(0.05)
                page = await patiently(lambda: client.get(desk, htmx=True))
                continue
            action, fields = found
            if dice.random() < 0.03:
                skip = {**fields, "skip_reason": "unclear"}
                page = await patiently(partial(client.post, f"{action}/skip", skip, htmx=True))
                continue
            sent = {**fields, "choice": dice.choice(["a3", "a1", "tie", "b1", "b3"])}
            for _ in range(2 if dice.random() < 0.05 else 1):
                page = await patiently(partial(client.post, action, sent, htmx=True))
            acknowledged.append(action.rpartition("/")[2])
    finally:
        client.close()
    return acknowledged


def test_200_annotators_over_four_web_processes_lose_nothing_and_collect_nothing_twice(world):
    people = world.people(ANNOTATORS)
    policy = {"max_overlap": 4, "gold_rate": 0.05}
    [project_id] = world.projects(1, tasks=TASKS, overlap=2, members=people, **policy)
    world.sql("UPDATE task SET kind = 'gold' WHERE queue_key % 50 = 0")
    sign_in(world, people)

    async def load(addresses):
        all_here = asyncio.Barrier(ANNOTATORS)
        return await all_of(
            judge_for(SECONDS, all_here, addresses[n % len(addresses)], person, project_id)
            for n, person in enumerate(people)
        )

    with web(world, 4, pool=5) as addresses:
        acknowledged = [one for each in asyncio.run(load(addresses)) for one in each]
    kept = [
        str(row[0])
        for row in world.sql("SELECT s.public_id FROM annotation a JOIN assignment s ON s.id = a.assignment_id")
    ]
    assert len(acknowledged) >= ANNOTATORS * FEWEST
    assert Counter(kept) == Counter(acknowledged)
    assert world.value("SELECT count(*) FROM task WHERE kind = 'regular' AND n_counted + n_leased > n_target") == 0
    assert world.value("SELECT max(n_target) FROM task") == 4
    reasons = dict(world.sql("SELECT overlap_reason, count(*) FROM annotation GROUP BY 1"))
    assert set(reasons) == {"base", "escalation", "gold"}
    assert world.value("SELECT count(*) FROM annotation WHERE standing = 'late'") == 0
