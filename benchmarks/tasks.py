"""The task list stays under 300 ms at 500,000 tasks with 1,000,000 votes, whatever is filtered by.

Each filter is asked as a service call and as the whole page over HTTP (in one process, without a network). The first
call of each is given apart: it meets caches as the calls before it left them. `ACCORD_BENCH_TASKS` makes it smaller.
The database is a throw-away one on the server of the tests (TEST_DATABASE_URL, or embedded), or the migrated one that
`ACCORD_BENCH_DATABASE` names: it is kept, and measured again without filling. A second project with a tenth of the
tasks and the same words stands beside the first.

On a machine that does other things too, look at the load, and at the column `cpu`: the processor time that the page
took in this process and in the server's backend, without parallel workers. It is what the page takes alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app import config, database
from app.models import User
from app.review import service
from app.review.cursors import Cursor
from app.review.schemas import BulkForm, TaskListQuery
from benchmarks import task_data
from tests.support import servers
from tests.support.browsing import Browser
from tests.support.factories import Factory

N_TASKS = int(os.environ.get("ACCORD_BENCH_TASKS", "500000"))
SERVICE_ROUNDS = 8
PAGE_ROUNDS = 8
LIMIT_MS = 300


def cases(project_id: int, batches: tuple[int, int], deep: int) -> dict[str, dict[str, Any]]:
    """Conditions by what is hard about them."""
    middle = {direction: Cursor("id", direction, deep, deep).encode() for direction in ("next", "previous")}
    return {
        "no filter": {},
        "newest first": {"sort": "-id"},
        "highest priority first": {"sort": "-priority"},
        "most progress first": {"sort": "-progress"},
        "deep page": {"cursor": middle["next"]},
        "deep page, backwards": {"cursor": middle["previous"]},
        "open": {"status": "open"},
        "done": {"status": "done"},
        "waiting": {"status": "waiting"},
        "leased": {"status": "leased"},
        "archived": {"status": "archived"},
        "gold": {"kind": "gold"},
        "word in one prompt": {"q": "singular"},
        "word in ten prompts": {"q": "rarely"},
        "word in no prompt": {"q": "unheard"},
        "word in every prompt": {"q": "common"},
        "word in half the prompts": {"q": "half"},
        "word in the last fifth only": {"q": "bonjour"},
        "the same, by priority": {"q": "bonjour", "sort": "-priority"},
        "word not in the last fifth, newest first": {"q": "hello", "sort": "-id"},
        "phrase": {"q": '"hello word5"'},
        "every prompt but half": {"q": "common -half"},
        "signs without a word": {"q": "!!!"},
        "tag of one task": {"tag": "needle"},
        "tag of one in fifty": {"tag": "group-7"},
        "tag of every task": {"tag": "all"},
        "tag of none": {"tag": "unheard"},
        "domain of the last quarter": {"domain": "prose"},
        "domain of none": {"domain": "unheard"},
        "language of the last fifth": {"language": "fr"},
        "annotator with few votes": {"annotator": f"bench-{project_id}-2"},
        "annotator with a sixth of the tasks": {"annotator": f"bench-{project_id}-1"},
        "the same, newest first": {"annotator": f"bench-{project_id}-1", "sort": "-id"},
        "annotator with 1 in 100": {"annotator": f"bench-{project_id}-50"},
        "annotator unknown": {"annotator": "nobody"},
        "first import": {"batch": batches[0]},
        "last import": {"batch": batches[1]},
        "id in the file": {"external_id": "row-777"},
        "late votes": {"late": True},
        "flagged": {"flagged": True},
        "word and status": {"q": "bonjour", "status": "archived"},
        "word and tag of one task": {"q": "common", "tag": "needle"},
        "status and language that never meet": {"status": "done", "language": "fr"},
        "word and language that never meet": {"q": "hello", "language": "fr"},
    }


def measure() -> dict[str, Any]:
    given = os.environ.get("ACCORD_BENCH_DATABASE", "")
    url = given or servers.create_database(f"accord_bench_{os.getpid()}")
    os.environ |= {"DATABASE_URL": url, "ACCORD_ENVIRONMENT": "test", "ACCORD_LOG_LEVEL": "ERROR"}
    for cached in (config.settings, database.engine, database.session_factory):
        cached.cache_clear()
    try:
        return _measure()
    finally:
        database.engine().dispose()
        if not given:
            servers.drop_database(url)


def _fill() -> tuple[int, float]:
    """(id of the project measured, seconds it took to make it)"""
    started = time.perf_counter()
    with database.session_factory()() as session:
        project_id = session.scalar(sa.text("select id from project where name = 'Bench'"))
        if project_id is not None:
            return int(project_id), 0.0
        session.execute(sa.text("set statement_timeout = 0"))
        project_id = task_data.fill(session, n_tasks=N_TASKS, name="Bench").id
        session.execute(sa.text("set statement_timeout = 0"))
        task_data.fill(session, n_tasks=N_TASKS // 10, name="Beside it")
    task_data.analyze(database.engine())
    return project_id, time.perf_counter() - started


def _work_alone() -> None:
    """No parallel workers in this database from now on: their processor time could not be counted."""
    name = database.engine().url.database
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f'alter database "{name}" set max_parallel_workers_per_gather = 0'))
    database.engine().dispose()


def _measure() -> dict[str, Any]:
    project_id, filled = _fill()
    _work_alone()
    with database.session_factory()() as session:
        counts = session.execute(
            sa.text(
                "select (select count(*) from task where project_id = :p), (select count(*) from annotation "
                "where project_id = :p), (select min(id) from import_batch where project_id = :p), "
                "(select max(id) from import_batch where project_id = :p), "
                "(select (min(prompt_id) + max(prompt_id)) / 2 from task where project_id = :p)"
            ),
            {"p": project_id},
        ).one()
        names = ("server_version", "shared_buffers", "work_mem", "fsync", "max_parallel_workers_per_gather")
        server = {name: session.scalar(sa.text(f"show {name}")) for name in names}
    print(f"{counts[0]:,} tasks, {counts[1]:,} votes, made in {filled:.0f} s; {server}")
    print(f"{'':42}{'service ms':>32}{'page ms':>32}")
    heads = ("first", "min", "p50", "p95", "min", "p50", "p95", "cpu")
    print(f"{'':42}" + "".join(f"{head:>8}" for head in heads) + f"{'matches':>10}", flush=True)
    wanted = cases(project_id, (counts[2], counts[3]), counts[4])
    load = [os.getloadavg()[0]]
    with _client() as client:
        rows = {name: _case(client, project_id, name, values) for name, values in wanted.items()}
    bulk = _bulk(project_id)
    load.append(os.getloadavg()[0])
    over = {
        of: [name for name, row in rows.items() if row[of] > LIMIT_MS] for of in ("page_cpu", "page_p50", "page_p95")
    }
    print(f"load of the machine {load[0]:.1f} to {load[1]:.1f} on {os.cpu_count()} cores")
    for of, names_over in over.items():
        print(f"{of} over {LIMIT_MS} ms: {', '.join(names_over) or 'none'}")
    return {
        "tasks": counts[0],
        "votes": counts[1],
        "fill_s": round(filled, 1),
        "server": server,
        "limit_ms": LIMIT_MS,
        "over_limit": over,
        "load_average": [round(value, 1) for value in load],
        "cases_ms": rows,
        "bulk_s": bulk,
    }


def _client() -> TestClient:
    from app.main import create_app

    with database.session_factory()() as session:
        make = Factory(session)
        admin = session.scalar(sa.select(User).where(User.is_instance_admin)) or make.admin()
        return Browser(create_app(), session, make)(admin)


def _case(client: TestClient, project_id: int, name: str, values: dict[str, Any]) -> dict[str, Any]:
    wanted = TaskListQuery.model_validate(values)
    total = 0

    def ask() -> None:
        nonlocal total
        with database.session_factory()() as session:
            page = service.list_tasks(session, project_id=project_id, wanted=wanted)
        total = page.total + page.is_capped

    def show() -> None:
        answer = client.get(f"/projects/{project_id}/tasks", params=values)
        if answer.status_code != 200:
            raise RuntimeError(f"{name}: {answer.status_code}")

    first = _milliseconds(ask, 1)[0]
    asked = _milliseconds(ask, SERVICE_ROUNDS)
    before = _cpu_seconds()
    shown = _milliseconds(show, PAGE_ROUNDS)
    cpu = (_cpu_seconds() - before) / PAGE_ROUNDS * 1000
    row = {
        "service_first": round(first, 1),
        "service_min": round(min(asked), 1),
        "service_p50": round(float(np.percentile(asked, 50)), 1),
        "service_p95": round(float(np.percentile(asked, 95)), 1),
        "page_min": round(min(shown), 1),
        "page_p50": round(float(np.percentile(shown, 50)), 1),
        "page_p95": round(float(np.percentile(shown, 95)), 1),
        "page_cpu": round(cpu, 1),
        "matches": total,
    }
    matches = "10,000+" if total > 10_000 else f"{total:,}"
    print(f"{name:42}" + "".join(f"{value:8.1f}" for value in list(row.values())[:8]) + f"{matches:>10}", flush=True)
    return row


def _cpu_seconds() -> float:
    """Processor time so far of this process and of the database's backends, which must run on this machine."""
    with database.session_factory()() as session:
        pids = session.scalars(sa.text("select pid from pg_stat_activity where datname = current_database()")).all()
    backends = [int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids]
    return time.process_time() + sum(backends) / 1e9


def _milliseconds(work: Callable[[], None], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) * 1000)
    return found


def _bulk(project_id: int) -> dict[str, float]:
    """Deeds on many tasks at once, each rolled back."""
    found = {}
    for name, form in {
        "priority of one in fifty": {"deed": "priority", "priority": 9, "filter": {"tag": "group-7"}},
        "archive one in fifty": {"deed": "archive", "filter": {"tag": "group-7"}},
        "priority of all": {"deed": "priority", "priority": 9, "filter": {}},
    }.items():
        with database.session_factory()() as session:
            started = time.perf_counter()
            result = _apply(session, project_id, BulkForm.model_validate({**form, "scope": "matching"}))
            found[name] = round(time.perf_counter() - started, 2)
            session.rollback()
        print(f"{name:42}{found[name]:8.2f} s for {result:,} tasks", flush=True)
    return found


def _apply(session: Session, project_id: int, form: BulkForm) -> int:
    return service.apply_bulk(session, project_id=project_id, form=form, actor_id=1).changed
