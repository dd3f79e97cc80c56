"""What a worker asks of the tables while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import Checkpoint, DatasetVersion, DeviceSlot, Job, JobState, TrainingRun
from app.training.devices import Device


def run_with_data(session: Session, run_id: int) -> tuple[TrainingRun, DatasetVersion] | None:
    found = session.execute(
        sa.select(TrainingRun, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.id == TrainingRun.dataset_version_id)
        .where(TrainingRun.id == run_id)
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def base_of(session: Session, run: TrainingRun) -> tuple[TrainingRun, DatasetVersion] | None:
    """The run whose model this one goes on from, with its data; None where its options name none."""
    found = session.execute(
        sa.select(TrainingRun, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.id == TrainingRun.dataset_version_id)
        .where(TrainingRun.project_id == run.project_id, TrainingRun.number == run.options.get("base_run"))
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def usable_checkpoints(session: Session, run_id: int) -> list[Checkpoint]:
    """Newest first: what one attempt made after another is newer, whatever its step."""
    return list(
        session.scalars(
            sa.select(Checkpoint)
            .where(Checkpoint.run_id == run_id, Checkpoint.refused.is_(None), Checkpoint.removed_at.is_(None))
            .order_by(Checkpoint.id.desc())
        )
    )


def stored_checkpoints(session: Session, run_id: int) -> set[str]:
    """The names in storage of all checkpoints that were recorded and not let go, the refused ones too."""
    return set(
        session.scalars(
            sa.select(Checkpoint.stored).where(Checkpoint.run_id == run_id, Checkpoint.removed_at.is_(None))
        )
    )


def running_attempts(session: Session, run_ids: Sequence[int]) -> set[tuple[int, int]]:
    """(run, attempt) of those that run now."""
    found = session.execute(
        sa.select(TrainingRun.id, Job.attempt)
        .join(Job, Job.id == TrainingRun.job_id)
        .where(TrainingRun.id.in_(run_ids), Job.state == JobState.RUNNING)
    )
    return {(run_id, attempt) for run_id, attempt in found}


def running_evaluations(session: Session, job_ids: Sequence[int]) -> set[tuple[int, int]]:
    """(job, attempt) of those that run now."""
    found = session.execute(sa.select(Job.id, Job.attempt).where(Job.id.in_(job_ids), Job.state == JobState.RUNNING))
    return {(job_id, attempt) for job_id, attempt in found}


def lock_devices(session: Session) -> None:
    """One taking at a time: who is free follows from other rows, which two statements at once would not see alike."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("device_slot"))))


def held_devices(session: Session) -> set[tuple[str, str]]:
    """(host, device) of slots whose attempt is the running one."""
    found = session.execute(
        sa.select(DeviceSlot.host, DeviceSlot.device).join(
            Job,
            sa.and_(Job.id == DeviceSlot.job_id, Job.attempt == DeviceSlot.attempt, Job.state == JobState.RUNNING),
        )
    )
    return {(host, device) for host, device in found}


def device_of(session: Session, *, job_id: int, attempt: int) -> Device | None:
    found = session.execute(
        sa.select(DeviceSlot.host, DeviceSlot.device).where(DeviceSlot.job_id == job_id, DeviceSlot.attempt == attempt)
    ).first()
    return None if found is None else Device(found[0], found[1])
