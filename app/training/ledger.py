"""What a worker writes down while it trains; each verb is called in a transaction that holds the attempt's fence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.database import JSON
from app.models import Checkpoint, DeviceSlot, TrainingLog, TrainingMetric, TrainingRun
from app.training import ledger_queries
from app.training.devices import Device

KEPT = 2
LONGEST_LINE = 4000


def take_device(session: Session, *, job_id: int, attempt: int, devices: Sequence[Device]) -> Device | None:
    """Give the attempt the first free device; None when all are held by attempts that run.

    A slot is free as soon as the attempt that holds it is no longer the running one, however it ended.
    """
    ledger_queries.lock_devices(session)
    held = ledger_queries.held_devices(session)
    device = next((one for one in devices if (one.host, one.name) not in held), None)
    if device is None:
        return None
    holder = {"job_id": job_id, "attempt": attempt}
    session.execute(
        insert(DeviceSlot)
        .values(host=device.host, device=device.name, **holder)
        .on_conflict_do_update(index_elements=["host", "device"], set_={**holder, "taken_at": sa.func.now()})
    )
    return device


def add_metrics(session: Session, *, job_id: int, attempt: int, rows: Iterable[tuple[int, str, JSON]]) -> None:
    """(step, kind, values); what was measured twice at a step counts once, as it was first."""
    values = [
        {"job_id": job_id, "attempt": attempt, "step": step, "kind": kind, "values": measured}
        for step, kind, measured in rows
    ]
    if values:
        session.execute(insert(TrainingMetric).values(values).on_conflict_do_nothing())


def add_log(session: Session, *, job_id: int, attempt: int, lines: Iterable[tuple[str, str]]) -> None:
    """(level, message); text that Postgres cannot hold is made so that it can."""
    for level, message in lines:
        kept = message.replace("\0", "")[:LONGEST_LINE]
        session.add(TrainingLog(job_id=job_id, attempt=attempt, level=level, message=kept))


def record_checkpoint(
    session: Session, *, run_id: int, attempt: int, step: int, stored: str, manifest_sha256: str, size: int
) -> None:
    session.add(
        Checkpoint(
            run_id=run_id, attempt=attempt, step=step, stored=stored, manifest_sha256=manifest_sha256, bytes=size
        )
    )
    session.flush()


def refuse_checkpoint(session: Session, checkpoint_id: int, reason: str) -> None:
    session.get_one(Checkpoint, checkpoint_id).refused = reason


def retire_checkpoints(session: Session, *, run_id: int, best: set[int]) -> list[str]:
    """Mark all but the last two and the newest of each step in `best`; the folders that may be deleted after commit."""
    found = ledger_queries.usable_checkpoints(session, run_id)
    kept = {checkpoint.id for checkpoint in found[:KEPT]}
    for step in best:
        kept |= {checkpoint.id for checkpoint in [one for one in found if one.step == step][:1]}
    retired = [checkpoint for checkpoint in found if checkpoint.id not in kept]
    for checkpoint in retired:
        checkpoint.removed_at = sa.func.now()
    return [checkpoint.stored for checkpoint in retired]


def record_result(session: Session, *, run_id: int, result: JSON, files: JSON) -> None:
    """The run has ended well: written once."""
    session.execute(
        sa.update(TrainingRun)
        .where(TrainingRun.id == run_id, TrainingRun.result.is_(None))
        .values(result=result, files=files, finished_at=sa.func.now())
    )
