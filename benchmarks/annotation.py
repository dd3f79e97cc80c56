"""Judging through the real pages: judgements a second, how long submit and next take, processor time for each.

Two web processes on a real Postgres, and 1, 8 and 32 annotators who never think. Each level is run twice: as htmx does
it (one request submits and brings the next task), and as a browser without JavaScript asks (submit, then next). The
processor time of the web processes and of the database's backends is read from /proc; that of the clients, who share
the machine, is given beside it. Then the next task is asked for in a project of 5,000 tasks and in one of 500,000, by
turns. `ACCORD_BENCH_SECONDS` is the length of one run (20), `ACCORD_BENCH_TASKS` the larger project.

Every task has texts of its own, some 400 characters of Markdown each, so that what is cached is what would be.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app import config, database
from app.annotation import handing_out, queries, service
from app.annotation.schemas import Judgement
from tests.integrity.web import all_of, cookie, sign_in, web_processes
from tests.integrity.world import Person, World
from tests.support import servers
from tests.support.desk_client import DeskClient, form_of

SECONDS = float(os.environ.get("ACCORD_BENCH_SECONDS", "20"))
LARGE = int(os.environ.get("ACCORD_BENCH_TASKS", "500000"))
SMALL = 5_000
LEVELS = (1, 8, 32)
PROCESSES = 2
TURNS = int(os.environ.get("ACCORD_BENCH_TURNS", "400"))
TASKS = max(2_000, int(SECONDS * 250))
"""More than one person, who gets each task once, can judge in a run and its warm-up."""
TICK = os.sysconf("SC_CLK_TCK")

SEED_TASKS = """
WITH prompts AS (
    INSERT INTO prompt (project_id, content, content_hash, search_text)
    SELECT :project, jsonb_build_object('text', 'Prompt ' || n || ': ' || repeat('what is asked here ', 15)),
           decode(md5(:project || '-' || n), 'hex'), 'Prompt ' || n
    FROM generate_series(1, :n) n RETURNING id
), responses AS (
    INSERT INTO response (prompt_id, position, text)
    SELECT id, n, 'Response ' || n || ' to ' || id || ' says *this*, and **that**:' || chr(10) || chr(10)
        || '- first `code_' || id || '()`' || chr(10) || '- then ' || repeat('some words of no matter ', 12)
        || chr(10) || chr(10) || '> ' || md5(id::text || n)
    FROM prompts, generate_series(0, 1) n RETURNING id, prompt_id, position
), tasks AS (
    INSERT INTO task (project_id, prompt_id, kind, status, priority, n_target, n_counted, n_leased, queue_key)
    SELECT :project, id, 'regular', 'open', 0, 3, 0, 0, abs(hashint8(id)) FROM prompts RETURNING id, prompt_id
)
INSERT INTO task_response (task_id, position, response_id)
SELECT tasks.id, responses.position, responses.id FROM tasks JOIN responses ON responses.prompt_id = tasks.prompt_id
"""


def measure() -> dict[str, Any]:
    url = servers.create_database(f"accord_annotation_{os.getpid()}")
    os.environ |= {"DATABASE_URL": url, "ACCORD_ENVIRONMENT": "test", "ACCORD_LOG_LEVEL": "ERROR"}
    for cached in (config.settings, database.engine, database.session_factory):
        cached.cache_clear()
    world = World(url)
    try:
        people = world.people(max(LEVELS))
        sign_in(world, people)
        judging = _judging(world, people)
        return {"seconds_a_run": SECONDS, "web_processes": PROCESSES, **judging, "next_task": _next_task(world)}
    finally:
        database.engine().dispose()
        world.close()
        servers.drop_database(url)


def _project(world: World, people: list[Person], n: int) -> int:
    [project_id] = world.projects(1, tasks=0, overlap=3, members=people, max_overlap=5, gold_rate=0.04)
    world.sql(SEED_TASKS, project=project_id, n=n)
    world.sql("ANALYZE")
    return project_id


def _judging(world: World, people: list[Person]) -> dict[str, Any]:
    load, rows = [os.getloadavg()[0]], []
    print(f"{'annotators':>10} {'requests':>9} {'a second':>9} {'submit ms':>16} {'next ms':>16} {'cpu ms each':>30}")
    print(f"{'':>30} {'p50':>8} {'p95':>7} {'p50':>8} {'p95':>7} {'web':>8} {'database':>10} {'clients':>10}")
    with web_processes(world, PROCESSES) as served:
        for n in LEVELS:
            for is_one in (True, False):
                project_id = _project(world, people, TASKS)
                rows.append(_run(world, served, people[:n], project_id, is_one=is_one))
    load.append(os.getloadavg()[0])
    return {"judging": rows, "load_average": [round(value, 1) for value in load]}


def _run(
    world: World, served: dict[str, int], people: list[Person], project_id: int, *, is_one: bool
) -> dict[str, Any]:
    addresses = list(served)
    warm = _annotators(addresses, people, project_id, min(SECONDS / 4, 5), is_one=is_one)
    asyncio.run(warm)
    before = _cpu(world, served)
    started = time.perf_counter()
    timings = asyncio.run(_annotators(addresses, people, project_id, SECONDS, is_one=is_one))
    took = time.perf_counter() - started
    after = _cpu(world, served)
    submits = [one for found in timings for one in found[0]]
    nexts = [one for found in timings for one in found[1]]
    row = {
        "annotators": len(people),
        "requests_a_judgement": 1 if is_one else 2,
        "judgements": len(submits),
        "judgements_a_second": round(len(submits) / took, 1),
        "submit_ms": _quantiles(submits),
        "next_ms": _quantiles(nexts) if nexts else None,
        "cpu_ms_a_judgement": {
            name: round((after[name] - before[name]) * 1000 / max(len(submits), 1), 2) for name in before
        },
    }
    cpu, asked = row["cpu_ms_a_judgement"], row["next_ms"] or {"p50": float("nan"), "p95": float("nan")}
    print(
        f"{len(people):>10} {row['requests_a_judgement']:>9} {row['judgements_a_second']:>9} "
        f"{row['submit_ms']['p50']:>8} {row['submit_ms']['p95']:>7} {asked['p50']:>8} {asked['p95']:>7} "
        f"{cpu['web']:>8} {cpu['database']:>10} {cpu['clients']:>10}",
        flush=True,
    )
    return row


async def _annotators(
    addresses: list[str], people: list[Person], project_id: int, seconds: float, *, is_one: bool
) -> list[tuple[list[float], list[float]]]:
    until = time.perf_counter() + seconds
    return await all_of(
        _annotator(addresses[n % len(addresses)], person, project_id, until, is_one=is_one)
        for n, person in enumerate(people)
    )


async def _annotator(
    address: str, person: Person, project_id: int, until: float, *, is_one: bool
) -> tuple[list[float], list[float]]:
    """(milliseconds of each submit, of each next); one request does both where `is_one`."""
    dice, client = random.Random(person.annotator_id), DeskClient(address, cookie(person))
    desk = f"/projects/{project_id}/judge"
    submits: list[float] = []
    nexts: list[float] = []
    _, page = await client.get(desk)
    while time.perf_counter() < until:
        found = form_of(page)
        if found is None:
            raise RuntimeError("The project has run out of tasks; ask for shorter runs.")
        fields = {**found[1], "choice": dice.choice(["a2", "a1", "tie", "b1", "b2"]), "active_ms": "9000"}
        started = time.perf_counter()
        status, page = await client.post(found[0], fields, htmx=is_one)
        submits.append((time.perf_counter() - started) * 1000)
        if status != (200 if is_one else 303):
            raise RuntimeError(f"A judgement was answered with {status}.")
        if not is_one:
            started = time.perf_counter()
            _, page = await client.get(desk, htmx=True)
            nexts.append((time.perf_counter() - started) * 1000)
    client.close()
    return submits, nexts


def _quantiles(values: list[float]) -> dict[str, float]:
    return {name: round(float(np.percentile(values, q)), 1) for name, q in (("p50", 50), ("p95", 95))}


def _cpu(world: World, served: dict[str, int]) -> dict[str, float]:
    """Seconds of processor time so far; the database's are its backends for us, and its writers."""
    backends = [
        row[0]
        for row in world.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " OR backend_type IN ('walwriter', 'background writer', 'checkpointer')"
        )
    ]
    return {
        "web": sum(_process_seconds(pid) for pid in served.values()),
        "database": sum(_process_seconds(pid) for pid in backends),
        "clients": time.process_time(),
    }


def _process_seconds(pid: int) -> float:
    """User and system time of all threads; 0 for a process that has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def _next_task(world: World) -> dict[str, Any]:
    """Milliseconds of handing out one task, by turns in a small and in a large project that are alike."""
    people = world.people(1, first=1000)
    projects = {size: _project(world, people, size) for size in (SMALL, LARGE)}
    world.vacuum()
    found: dict[int, list[float]] = {size: [] for size in projects}
    dice = random.Random(1)
    for _ in range(TURNS):
        for size, project_id in projects.items():
            found[size].append(_hand_out(project_id, people[0].annotator_id, dice))
    middle = {size: float(np.median(values[TURNS // 10 :])) for size, values in found.items()}
    ratio = middle[LARGE] / middle[SMALL]
    print(f"next task: {middle[SMALL]:.2f} ms at {SMALL:,}, {middle[LARGE]:.2f} ms at {LARGE:,}, ratio {ratio:.2f}")
    return {"median_ms": {f"{size}": round(value, 2) for size, value in middle.items()}, "ratio": round(ratio, 3)}


def _hand_out(project_id: int, annotator_id: int, dice: random.Random) -> float:
    """Milliseconds of one transaction that hands a task out; it is judged in another, which is not measured."""
    started = time.perf_counter()
    with database.unit_of_work() as session:
        found = handing_out.next_assignment(
            session, project_id=project_id, annotator_id=annotator_id, dice=dice, now=datetime.now(UTC)
        )
    took = (time.perf_counter() - started) * 1000
    assert not isinstance(found, handing_out.Nothing)
    with database.unit_of_work() as session:
        queries.lock_annotator(session, annotator_id)
        row = queries.assignment_row(session, found.public_id, lock=True)
        assert row is not None
        service.submit_annotation(session, row=row, judgement=Judgement(answer=1), actor_id=None, now=datetime.now(UTC))
    return took
