"""Freezing a data set: name the votes, build the rows, keep the files; and building it again to compare."""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import json
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from app import audit, queue, storage
from app.database import JSON, unit_of_work
from app.datasets import files, policy_text, queries
from app.datasets.building import TRAIN, Built, Report, build
from app.datasets.schemas import DatasetDetail, DatasetOut, DatasetPage, FreezePolicy
from app.datasets.votes import no_votes
from app.domain.datasets import canonical_json
from app.errors import Conflict, NotFound
from app.models import DatasetVersion, Job, JobState, Project, ProjectStatus
from app.queue import Reporter

FORMAT = "accord-dataset-1"
STATE_FROZEN = "frozen"


def policy_hash(policy: FreezePolicy) -> str:
    """SHA-256 over the policy's canonical JSON."""
    return hashlib.sha256(canonical_json(policy.model_dump(mode="json")).encode()).hexdigest()


def freeze(session: Session, *, project_id: int, actor_id: int | None, policy: FreezePolicy) -> DatasetVersion:
    """Write the version with the project's next number, and queue the work that fills it."""
    project = queries.lock_project(session, project_id)
    if project.status == ProjectStatus.ARCHIVED:
        raise Conflict("This project is archived. Restore it before changing anything.", code="project_archived")
    version = DatasetVersion(
        project_id=project_id,
        number=queries.next_number(session, project_id),
        policy=policy.model_dump(mode="json"),
        policy_hash=policy_hash(policy),
        created_by_id=actor_id,
    )
    session.add(version)
    session.flush()
    job = queue.enqueue(
        session,
        queue.Job.FREEZE_DATASET,
        {"dataset_version_id": version.id, "number": version.number},
        key=str(version.id),
        project_id=project_id,
        created_by_id=actor_id,
    )
    version.job_id = job.id
    audit.record(
        session,
        "dataset.freeze",
        actor_id=actor_id,
        project_id=project_id,
        target=version,
        number=version.number,
        policy_hash=version.policy_hash,
    )
    session.flush()
    return version


def run(job: Job, reporter: Reporter) -> JSON:
    """The job that freezes. A second attempt finds the votes named, and builds the same rows from them."""
    version_id = int(job.payload["dataset_version_id"])
    version, policy = _name_votes(version_id, reporter)
    if version.frozen_at is not None:
        return _outcome(version)
    files.delete_attempts(version_id, range(1, job.attempt))
    try:
        with files.RowFiles() as rows:
            with unit_of_work() as session:
                built = build(session, version_id, policy, write=rows.write, report=reporter)
                project = session.get_one(Project, version.project_id)
            reporter(phase="saving", progress=0.92)
            kept = rows.save(version_id, job.attempt)
            kept[files.POLICY] = files.save_json(version_id, job.attempt, files.POLICY, policy_document(policy))
            manifest = _manifest(version, project, built, kept)
            kept[files.MANIFEST] = files.save_json(version_id, job.attempt, files.MANIFEST, manifest)
    except BaseException:
        files.delete_attempts(version_id, range(job.attempt, job.attempt + 1))
        raise
    try:
        return _freeze(version_id, reporter, built, manifest, kept)
    except queue.LostLease:
        # Nothing was committed. After any other error that is not sure, and the next attempt cleans up.
        files.delete_attempts(version_id, range(job.attempt, job.attempt + 1))
        raise


def _name_votes(version_id: int, reporter: Reporter) -> tuple[DatasetVersion, FreezePolicy]:
    """Which votes the version is made of is written down once, before anything is built of them."""
    reporter(phase="naming", progress=0.0)
    with unit_of_work() as session:
        reporter.fence(session)
        version = queries.version_by_id(session, version_id)
        if version is None:
            raise NotFound("This data set version is no longer there.")
        policy = FreezePolicy.model_validate(version.policy)
        if (
            version.frozen_at is None
            and not queries.has_named_votes(session, version_id)
            and not queries.name_votes(session, version, policy)
        ):
            raise no_votes()
    return version, policy


def _freeze(version_id: int, reporter: Reporter, built: Built, manifest: JSON, kept: dict[str, dict[str, Any]]) -> JSON:
    """Under the fence: from here on the row never changes again."""
    with unit_of_work() as session:
        reporter.fence(session)
        version = session.get_one(DatasetVersion, version_id)
        frozen_at = queries.database_time(session)
        version.manifest, version.files, version.content_hash = manifest, kept, built.content_hash
        version.frozen_at = frozen_at
        counts = manifest["counts"]
        audit.record(
            session,
            "dataset.frozen",
            actor_id=version.created_by_id,
            project_id=version.project_id,
            target=version,
            number=version.number,
            rows=counts["rows"],
            votes=counts["votes"],
            content_hash=built.content_hash,
        )
        session.flush()
        return _outcome(version)


def _outcome(version: DatasetVersion) -> JSON:
    counts = (version.manifest or {}).get("counts", {})
    return {
        "number": version.number,
        "content_hash": version.content_hash,
        "rows": counts.get("rows"),
        "votes": counts.get("votes"),
    }


def policy_document(policy: FreezePolicy) -> JSON:
    """policy.json: every knob with its value and the sentence that says what it does."""
    values = policy.model_dump(mode="json")
    said = policy_text.sentences(policy)
    return {
        "format": FORMAT,
        "policy": {name: {"value": values[name], "means": said[name]} for name in values},
        "policy_hash": policy_hash(policy),
    }


def _manifest(version: DatasetVersion, project: Project, built: Built, kept: dict[str, dict[str, Any]]) -> JSON:
    shown = {name: {what: file[what] for what in ("sha256", "bytes", "rows")} for name, file in kept.items()}
    return {
        "format": FORMAT,
        "project": {"id": project.id, "name": project.name},
        "number": version.number,
        **built.manifest,
        "policy_hash": version.policy_hash,
        "files": shown,
        "parquet": "written" if files.PARQUET in kept else "The optional extra accord[parquet] is not installed.",
        "code_version": importlib.metadata.version("accord"),
    }


def verify(session: Session, version: DatasetVersion, *, actor_id: int | None) -> Job:
    """Queue the work that builds the version again; while it is queued or runs, the same job."""
    require_frozen(version)
    job = queue.enqueue(
        session,
        queue.Job.VERIFY_DATASET,
        {"dataset_version_id": version.id, "number": version.number},
        key=str(version.id),
        project_id=version.project_id,
        created_by_id=actor_id,
    )
    audit.record(
        session,
        "dataset.verify",
        actor_id=actor_id,
        project_id=version.project_id,
        target=version,
        number=version.number,
    )
    session.flush()
    return job


def run_verify(job: Job, reporter: Reporter) -> JSON:
    """The job that compares: the rows built again from the named votes, and the stored files byte by byte."""
    with unit_of_work() as session:
        version = queries.version_by_id(session, int(job.payload["dataset_version_id"]))
        if version is None:
            raise NotFound("This data set version is no longer there.")
        rebuilt = rebuild_hash(session, version, report=reporter)
    reporter(phase="comparing", progress=0.95)
    damaged = [name for name, file in sorted((version.files or {}).items()) if not _is_whole(file)]
    return {
        "number": version.number,
        "content_hash": version.content_hash,
        "rebuilt_hash": rebuilt,
        "is_same": rebuilt == version.content_hash and not damaged,
        "damaged_files": damaged,
    }


def rebuild_hash(session: Session, version: DatasetVersion, *, report: Report | None = None) -> str:
    """The content hash of the rows as the named votes and the policy give them now; writes nothing."""
    require_frozen(version)
    policy = FreezePolicy.model_validate(version.policy)
    return build(session, version.id, policy, write=_write_nothing, report=report or _say_nothing).content_hash


def _write_nothing(_row: dict[str, Any], _line: bytes) -> None:
    pass


def _say_nothing(**_said: Any) -> None:
    pass


def _is_whole(file: dict[str, Any]) -> bool:
    try:
        with storage.open_stored(file["stored"]) as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(storage.CHUNK):
                digest.update(chunk)
    except NotFound:
        return False
    return digest.hexdigest() == str(file["sha256"])


def require_frozen(version: DatasetVersion) -> None:
    if version.frozen_at is None:
        raise Conflict("This version is not frozen yet. Wait until its job has ended.", code="not_frozen")


def open_file(version: DatasetVersion, name: str) -> tuple[BinaryIO, int]:
    """(stream, bytes) of a file of a frozen version; NotFound for a name that it does not have."""
    require_frozen(version)
    file = (version.files or {}).get(name)
    if file is None:
        raise NotFound
    return storage.open_stored(file["stored"]), int(file["bytes"])


def first_rows(version: DatasetVersion, count: int, *, characters: int) -> list[JSON]:
    """The first rows of the training part, their texts cut, for eyes; none before the version is frozen."""
    if version.frozen_at is None:
        return []
    try:
        stream, _size = open_file(version, files.ROWS[TRAIN])
    except NotFound:
        return []
    with stream:
        rows = [json.loads(line) for line in itertools.islice(stream, count)]
    return [
        {**row, **{name: _cut(_as_text(row[name]), characters) for name in ("prompt", "chosen", "rejected")}}
        for row in rows
    ]


def _as_text(prompt: str | list[JSON]) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(f"{each['role']}: {each['content']}" for each in prompt)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[:characters] + " …"


def lineage(session: Session, version: DatasetVersion) -> JSON:
    """Where the rows come from, in the few lines that a model card shows."""
    require_frozen(version)
    manifest = version.manifest or {}
    counts, agreement = manifest["counts"], manifest["agreement"]
    return {
        "project": session.get_one(Project, version.project_id).name,
        "data set version": version.number,
        "content hash": version.content_hash,
        "policy hash": version.policy_hash,
        "guideline versions": [each["number"] for each in manifest["guideline_versions"]],
        "annotators": counts["annotators"],
        "votes": counts["votes"],
        "votes by": manifest["annotator_kinds"],
        "rows": counts["rows"],
        "agreement": {name: agreement[name] for name in ("raw", "alpha_sym", "n_items", "n_votes")},
        "left out": manifest["exclusions"],
    }


def list_versions(session: Session, *, project_id: int, before: int | None = None, limit: int = 50) -> DatasetPage:
    found = queries.versions_with_jobs(session, project_id, before=before, limit=limit + 1)
    return DatasetPage(
        items=[DatasetOut.model_validate(_summary(*row)) for row in found[:limit]],
        next_cursor=str(found[limit - 1][0].number) if len(found) > limit else None,
    )


def show_version(session: Session, version: DatasetVersion) -> DatasetDetail:
    row = queries.versions_with_jobs(session, version.project_id, number=version.number, limit=1)[0]
    check = queries.newest_job(session, queue.Job.VERIFY_DATASET, version)
    kept = (version.files or {}).items()
    return DatasetDetail.model_validate(
        {
            **_summary(*row),
            "policy": version.policy,
            "manifest": version.manifest,
            "files": {name: {what: file[what] for what in ("sha256", "bytes", "rows")} for name, file in kept},
            "last_check": None if check is None else queue.snapshot(check),
        }
    )


def _summary(version: DatasetVersion, job: Job | None, pseudonym: str | None) -> dict[str, Any]:
    manifest = version.manifest or {}
    counts = manifest.get("counts", {})
    return {
        "number": version.number,
        "state": STATE_FROZEN if version.frozen_at is not None else job.state.value if job is not None else "failed",
        "job_id": version.job_id,
        "rows": counts.get("rows"),
        "votes": counts.get("votes"),
        "agreement": manifest.get("agreement", {}).get("alpha_sym"),
        "content_hash": version.content_hash,
        "policy_hash": version.policy_hash,
        "created_at": version.created_at,
        "created_by": pseudonym,
        "frozen_at": version.frozen_at,
        "error": job.error if job is not None and job.state == JobState.FAILED else None,
    }
