"""What the client processes run. Started by spawn, so that each has settings, engine and pool of its own."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

PATIENCE = 5400 if os.environ.get("ACCORD_PROVE") else 300
SPAWN = multiprocessing.get_context("spawn")


def in_processes(
    url: str, work: Callable[..., list[Any]], shares: list[Any], *, pool: int, parties: int = 0
) -> list[Any]:
    """`work(share, barrier)` in one process a share against `url`; the joined lists that they return.

    `parties` threads over all processes can meet at the barrier.
    """
    barrier = SPAWN.Barrier(parties) if parties else None
    results = SPAWN.Queue()
    processes = [
        SPAWN.Process(target=_main, args=(url, pool, work, share, barrier, results), daemon=True) for share in shares
    ]
    for process in processes:
        process.start()
    try:
        found = [results.get(timeout=PATIENCE) for _ in processes]
    finally:
        for process in processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()
        results.close()
    errors = [error for _, error in found if error]
    assert not errors, "\n".join(errors)
    return [item for items, _ in found for item in items]


def _main(url: str, pool: int, work: Callable[..., list[Any]], share: Any, barrier: Any, results: Any) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "ACCORD_ENVIRONMENT": "test",
        "ACCORD_LOG_LEVEL": "ERROR",
        "ACCORD_DATABASE_POOL_SIZE": str(pool),
    }
    try:
        results.put((work(share, barrier), ""))
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs into the test's report
        if barrier is not None:
            barrier.abort()
        results.put(([], f"{type(error).__name__}: {error}"))
    finally:
        from app.database import engine

        engine().dispose()


def take(project_id: int, annotator_id: int, *, answer: int = 1) -> str:
    """Ask for a task and judge it, in two transactions as two requests would; what came of it."""
    from app.annotation.handing_out import Nothing, next_assignment
    from app.database import unit_of_work

    with unit_of_work() as session:
        found = next_assignment(
            session,
            project_id=project_id,
            annotator_id=annotator_id,
            dice=random.Random(annotator_id),
            now=datetime.now(UTC),
        )
    if isinstance(found, Nothing):
        return found.value
    return submit(found.public_id, annotator_id, answer=answer)[1]


def submit(public_id: UUID, annotator_id: int, *, answer: int = 1, key: str = "") -> tuple[int, str]:
    """(annotation id, standing), or (0, the refusal's code)."""
    from app.annotation import queries, service
    from app.annotation.schemas import Judgement
    from app.database import unit_of_work
    from app.errors import AppError

    try:
        with unit_of_work() as session:
            queries.lock_annotator(session, annotator_id)
            row = queries.assignment_row(session, public_id, lock=True)
            assert row is not None
            taken = service.submit_annotation(
                session,
                row=row,
                judgement=Judgement(answer=answer),
                idempotency_key=key,
                actor_id=None,
                now=datetime.now(UTC),
            )
            return taken.annotation.id, str(taken.annotation.standing)
    except AppError as error:
        return 0, error.code


def race(share: tuple[list[int], list[tuple[int, dict[int, UUID]]]], barrier: Any) -> list[tuple[int, str]]:
    """Each annotator of the share is a thread; all of all processes start each round together.

    A round is (project, leases): without leases everybody asks for the one place; with them everybody answers late.
    """
    annotators, rounds = share
    outcomes: list[tuple[int, str]] = []
    guard = threading.Lock()

    def client(annotator_id: int) -> None:
        mine = []
        for project_id, leases in rounds:
            barrier.wait(PATIENCE)
            if leases:
                mine.append((project_id, submit(leases[annotator_id], annotator_id)[1]))
            else:
                mine.append((project_id, take(project_id, annotator_id)))
        with guard:
            outcomes.extend(mine)

    with ThreadPoolExecutor(len(annotators)) as threads:
        for done in [threads.submit(client, annotator_id) for annotator_id in annotators]:
            done.result()
    return outcomes


def send_all(share: list[tuple[UUID, int, int, str]], barrier: Any) -> list[tuple[str, int, int, str]]:
    """Send each (lease, annotator, answer, key) once, by several threads; (key, answer, annotation id, standing)."""
    barrier.wait(PATIENCE)

    def send(one: tuple[UUID, int, int, str]) -> tuple[str, int, int, str]:
        public_id, annotator_id, answer, key = one
        return (key, answer, *submit(public_id, annotator_id, answer=answer, key=key))

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(send, share))


def ask_together(share: tuple[list[int], int], barrier: Any) -> list[tuple[int, str]]:
    """Every annotator asks for a task at the same moment; (annotator, public id of the lease)."""
    from app.annotation.handing_out import next_assignment
    from app.database import unit_of_work

    annotators, project_id = share

    def ask(annotator_id: int) -> tuple[int, str]:
        barrier.wait(PATIENCE)
        with unit_of_work() as session:
            found = next_assignment(
                session,
                project_id=project_id,
                annotator_id=annotator_id,
                dice=random.Random(1),
                now=datetime.now(UTC),
            )
            return annotator_id, str(getattr(found, "public_id", found))

    with ThreadPoolExecutor(len(annotators)) as threads:
        return list(threads.map(ask, annotators))
