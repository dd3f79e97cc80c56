"""Freezing on the real database: which votes, which rows, which files, and that it stays so."""

import hashlib
import io
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app import queue, storage
from app.datasets import building, files, queries, service
from app.datasets.schemas import FreezePolicy
from app.models import (
    Annotation,
    AnnotatorKind,
    AuditEvent,
    DatasetVersion,
    DatasetVote,
    Job,
    JobState,
    OverlapReason,
    Preference,
    ProjectStatus,
    Prompt,
    Standing,
    TaskStatus,
)
from app.projects.definitions import AnswerSchema, Pairwise
from tests.app.datasets.votes import freeze, some_votes, vote
from workers.tasks import handlers
from workers.tasks.jobs import run_job
from workers.training.data import check_trainable, read_pairs

FIELDS = {
    "prompt", "chosen", "rejected", "p", "weight", "margin", "pair_id", "group_id", "rank", "prompt_cluster",
    "criterion", "strength", "n_votes", "guideline_version", "domain", "language", "models", "split",
}  # fmt: skip


@pytest.fixture
def project(make):
    return make.project()


def content(version, name):
    with storage.open_stored(version.files[name]["stored"]) as stream:
        return stream.read()


def rows(version, *names):
    lines = b"".join(content(version, name) for name in names or ("train.jsonl", "held_out.jsonl"))
    return [json.loads(line) for line in lines.splitlines()]


WITHOUT_DEMONSTRATIONS = set(files.NAMES) - set(files.DEMONSTRATIONS.values())


def stored_files():
    filesystem, path = storage._path("datasets")
    return sorted(filesystem.find(path)) if filesystem.exists(path) else []


def named(db, version):
    return set(db.scalars(sa.select(DatasetVote.annotation_id).where(DatasetVote.dataset_version_id == version.id)))


def test_a_version_is_frozen_with_its_rows_files_and_manifest(make, db, project):
    some_votes(make, project, n_tasks=10)
    version, job = freeze(db, project)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert set(version.files) == WITHOUT_DEMONSTRATIONS
    found = rows(version)
    assert len(found) == 10
    assert {frozenset(row) for row in found} == {frozenset(FIELDS)}
    for name, file in version.files.items():
        assert hashlib.sha256(content(version, name)).hexdigest() == file["sha256"]
        assert len(content(version, name)) == file["bytes"]
    assert version.files["train.jsonl"]["rows"] == 8
    assert version.files["held_out.jsonl"]["rows"] == 2
    manifest = json.loads(content(version, "manifest.json"))
    assert manifest == version.manifest
    assert manifest["counts"]["votes"] == manifest["counts"]["named_votes"] == 30
    assert manifest["counts"]["annotators"] == 3
    assert manifest["counts"]["splits"]["held_out"] == {"rows": 2, "votes": 6, "ties": 0, "clusters": 2}
    assert manifest["guideline_versions"] == [{"number": 1, "votes": 30}]
    assert manifest["agreement"]["n_votes"] == 30
    assert manifest["agreement"]["source"] == "measured"
    assert manifest["content_hash"] == version.content_hash
    assert sum(each["rows"] for each in manifest["labels"]) == 10
    deeds = db.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert deeds[-2:] == ["dataset.freeze", "dataset.frozen"]


def test_a_row_by_hand(make, db, project):
    some_votes(make, project, n_tasks=4)
    task = make.task(project, prompt="Why?", responses=("Because of A.", "Because of B."), domain="code", language="en")
    people = [make.outside_annotator(project) for _ in range(3)]
    vote(make, task, people[0], "second", strength=2)
    vote(make, task, people[1], "second", strength=3)
    vote(make, task, people[2], "tie")
    version, _ = freeze(db, project, agreement=0.75, slice_weights=[{"by": "domain", "value": "code", "weight": 0.5}])
    external_id = db.scalar(sa.select(Prompt.external_id).where(Prompt.id == task.prompt_id))
    row = next(row for row in rows(version) if row["prompt"] == "Why?")
    # For the second: v = 5/6, 1, 1/2; a = .5; p = (.5 + 14/6) / 4 = .708333.
    assert {name: row[name] for name in FIELDS - {"prompt_cluster", "split"}} == {
        "prompt": "Why?",
        "chosen": "Because of B.",
        "rejected": "Because of A.",
        "p": 0.708333,
        "weight": 0.5,
        "margin": 1.666667,
        "pair_id": f"{external_id}:0-1",
        "group_id": None,
        "rank": None,
        "criterion": "overall",
        "strength": 1.666667,
        "n_votes": 3,
        "guideline_version": 1,
        "domain": "code",
        "language": "en",
        "models": {"chosen": "model-1", "rejected": "model-0"},
    }


def test_the_trainer_reads_both_files(make, db, project, tmp_path):
    some_votes(make, project)
    version, _ = freeze(db, project)
    for name in ("train.jsonl", "held_out.jsonl"):
        path = tmp_path / name
        path.write_bytes(content(version, name))
        found = read_pairs(path, criterion="overall")
        check_trainable(path, found.pairs, batch_size=2, labels="margin")
        assert found.sha256 == version.files[name]["sha256"]
        assert [pair.p for pair in found.pairs] == [row["p"] for row in rows(version, name)]
        assert [pair.prompt_cluster for pair in found.pairs] == [row["prompt_cluster"] for row in rows(version, name)]


def test_parquet_holds_the_same_rows(make, db, project):
    some_votes(make, project)
    version, _ = freeze(db, project)
    table = pq.read_table(io.BytesIO(content(version, "all.parquet"))).to_pylist()
    assert sorted(table, key=lambda row: row["pair_id"]) == sorted(rows(version), key=lambda row: row["pair_id"])


def test_without_pyarrow_the_manifest_says_so(make, db, project, monkeypatch):
    some_votes(make, project)
    monkeypatch.setattr(files._Parquet, "to", classmethod(lambda cls, file: None))
    version, job = freeze(db, project)
    assert job.state == JobState.SUCCEEDED
    assert "all.parquet" not in version.files
    assert "accord[parquet]" in version.manifest["parquet"]


def test_conversations_stay_messages(make, db, project):
    tasks = some_votes(make, project)
    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    db.execute(sa.update(Prompt).where(Prompt.id == tasks[0].prompt_id).values(content={"messages": said}))
    version, _ = freeze(db, project)
    assert [row["prompt"] for row in rows(version)].count(said) == 1
    table = pq.read_table(io.BytesIO(content(version, "all.parquet"))).to_pylist()
    assert [json.loads(row["prompt"]) for row in table if row["prompt"].startswith("[")] == [said]


def test_clusters_are_never_on_both_sides(make, db, project):
    some_votes(make, project, n_tasks=12, same_prompt=3)
    version, _ = freeze(db, project, held_out_share=0.3)
    sides = {name: {row["prompt_cluster"] for row in rows(version, name)} for name in ("train.jsonl", "held_out.jsonl")}
    assert not sides["train.jsonl"] & sides["held_out.jsonl"]
    assert version.manifest["counts"]["splits"]["held_out"]["rows"] == 3
    assert all(row["split"] == "held_out" for row in rows(version, "held_out.jsonl"))


def test_metadata_and_domain_can_name_the_clusters(make, db, project):
    tasks = some_votes(make, project, n_tasks=6)
    for n, task in enumerate(tasks):
        db.execute(sa.update(Prompt).where(Prompt.id == task.prompt_id).values(meta={"debate": f"d{n % 2}"}))
        task.domain = f"domain {n % 3}"
    db.commit()
    by_key, _ = freeze(db, project, cluster_key="debate")
    assert {row["prompt_cluster"] for row in rows(by_key)} == {"debate:d0", "debate:d1"}
    by_domain, _ = freeze(db, project, cluster_by="domain")
    assert {row["prompt_cluster"] for row in rows(by_domain)} == {f"domain:domain {n}" for n in range(3)}


def test_only_the_votes_that_the_policy_names_are_used(make, db, project):
    tasks = some_votes(make, project, n_tasks=6)
    kept = {row.id for row in db.scalars(sa.select(Annotation))}
    other = make.outside_annotator(project)
    model = make.outside_annotator(project, AnnotatorKind.MODEL)
    vote(make, tasks[0], other, standing=Standing.LATE)
    vote(make, tasks[1], other, overlap_reason=OverlapReason.ESCALATION)
    vote(make, tasks[2], model)
    archived = make.task(project)
    vote(make, archived, other)
    archived.status = TaskStatus.ARCHIVED
    without = vote(make, tasks[3], other, guideline_version_id=None)
    make.guideline(project, number=2)
    newer = vote(make, tasks[4], other)
    revised = vote(make, tasks[5], other, "first")
    head = vote(make, tasks[5], other, "second", supersedes=revised)
    elsewhere = make.project()
    some_votes(make, elsewhere, n_tasks=2)
    everything, _ = freeze(db, project)
    assert named(db, everything) == kept | {without.id, newer.id, head.id}
    second, _ = freeze(db, project, guideline_versions=[2])
    assert named(db, second) == {newer.id, head.id}
    none_or_first, _ = freeze(db, project, guideline_versions=[0, 1])
    assert named(db, none_or_first) == kept | {without.id}
    wider, _ = freeze(
        db,
        project,
        overlap_reasons=["imported", "escalation"],
        annotator_kinds=["imported", "model"],
        archived_tasks=True,
    )
    assert len(named(db, wider)) == len(kept) + 6


def test_both_bad_counts_half_or_is_left_out(make, db, project):
    some_votes(make, project, n_tasks=4)
    task = make.task(project, prompt="Bad?", responses=("one", "other"))
    vote(make, task, make.outside_annotator(project), "first", strength=3)
    vote(make, task, make.outside_annotator(project), "both_bad")
    half, _ = freeze(db, project, agreement=0.75)
    row = next(row for row in rows(half) if row["prompt"] == "Bad?")
    assert (row["p"], row["n_votes"]) == (round(2 / 3, 6), 2)
    out, _ = freeze(db, project, agreement=0.75, both_bad="leave_out")
    row = next(row for row in rows(out) if row["prompt"] == "Bad?")
    assert (row["p"], row["n_votes"]) == (0.75, 1)


def test_what_is_left_out_is_counted_with_its_reason(make, db, project):
    some_votes(make, project, n_tasks=5)
    person, other = make.outside_annotator(project), make.outside_annotator(project)
    for texts in (("same", "same"), ("one", " ")):
        vote(make, make.task(project, responses=texts), person)
    tie = make.task(project)
    vote(make, tie, person, "tie")
    vote(make, tie, other, "tie")
    vote(make, make.task(project), person)
    version, _ = freeze(db, project, minimum_votes=2, ties="leave_out")
    assert version.manifest["exclusions"] == {"empty_response": 1, "same_text": 1, "tie": 1, "too_few_votes": 1}
    assert version.manifest["counts"]["rows"] == 5
    kept, _ = freeze(db, project)
    assert kept.manifest["exclusions"] == {"empty_response": 1, "same_text": 1}
    assert kept.manifest["counts"]["ties"] == 1


def test_a_ranking_keeps_its_group_and_weighs_two_by_k(make, db, project):
    from uuid import UUID

    some_votes(make, project, n_tasks=4)
    task = make.task(project, prompt="Rank", responses=("best", "middle", "worst"))
    first = vote(make, task, make.outside_annotator(project))
    only = db.scalars(sa.select(Preference).where(Preference.annotation_id == first.id)).one()
    only.group_id = group = UUID(int=7)
    low, middle = only.low_response_id, only.high_response_id
    for pair in ((low, middle + 1), (middle, middle + 1)):
        db.add(
            Preference(
                annotation_id=first.id,
                low_response_id=pair[0],
                high_response_id=pair[1],
                signed_strength=1,
                strength_steps=1,
                group_id=group,
            )
        )
    db.commit()
    version, _ = freeze(db, project)
    found = {(row["chosen"], row["rejected"]): row for row in rows(version) if row["prompt"] == "Rank"}
    assert {key: row["rank"] for key, row in found.items()} == {
        ("best", "middle"): [1, 2],
        ("best", "worst"): [1, 3],
        ("middle", "worst"): [2, 3],
    }
    assert {(row["group_id"], row["weight"]) for row in found.values()} == {(str(group), round(2 / 3, 6))}
    assert version.manifest["counts"]["named_votes"] == 13


def test_revisions_and_new_votes_after_freezing_change_nothing(make, db, project):
    tasks = some_votes(make, project)
    version, _ = freeze(db, project)
    before = named(db, version)
    old = db.scalars(sa.select(Annotation).where(Annotation.task_id == tasks[0].id)).first()
    vote(make, tasks[0], db.get_one(type(make.outside_annotator(project)), old.annotator_id), "tie", supersedes=old)
    vote(make, tasks[1], make.outside_annotator(project), "second")
    make.guideline(project, number=2)
    assert service.rebuild_hash(db, version) == version.content_hash
    assert named(db, version) == before
    later, _ = freeze(db, project)
    assert later.number == version.number + 1
    assert later.content_hash != version.content_hash
    assert service.rebuild_hash(db, version) == version.content_hash


def test_the_same_votes_and_policy_give_the_same_hash(make, db, project):
    some_votes(make, project)
    one, _ = freeze(db, project)
    other, _ = freeze(db, project)
    seeded, _ = freeze(db, project, split_seed=3, held_out_share=0.4)
    assert one.content_hash == other.content_hash
    assert one.policy_hash == other.policy_hash
    assert content(one, "train.jsonl") == content(other, "train.jsonl")
    assert seeded.content_hash != one.content_hash
    lines = sorted(content(one, "train.jsonl").splitlines() + content(one, "held_out.jsonl").splitlines())
    assert len(lines) == 10


def test_the_hash_is_over_the_lines_of_both_files_in_the_order_of_pairs(make, db, project):
    some_votes(make, project)
    version, _ = freeze(db, project)
    lines = {json.loads(line)["pair_id"]: line for line in content(version, "train.jsonl").splitlines(keepends=True)}
    lines |= {
        json.loads(line)["pair_id"]: line for line in content(version, "held_out.jsonl").splitlines(keepends=True)
    }
    order = db.scalars(sa.select(Prompt.external_id).where(Prompt.project_id == project.id).order_by(Prompt.id))
    whole = b"".join(lines[f"{external_id}:0-1"] for external_id in order)
    assert hashlib.sha256(whole).hexdigest() == version.content_hash


def test_a_frozen_row_refuses_to_change(make, db, project):
    some_votes(make, project)
    version, _ = freeze(db, project)
    with pytest.raises(DBAPIError, match="append-only"), db.begin_nested():
        db.execute(sa.update(DatasetVersion).where(DatasetVersion.id == version.id).values(content_hash="0"))


def claimed(db, version):
    """A worker has taken the job; returns it as the handler sees it, with a reporter of that attempt."""
    job = queue.claim(version.job_id)
    db.expire_all()
    return job, queue.Reporter(job.id, job.attempt)


def asked(db, project, **policy):
    version = service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy(**policy))
    db.commit()
    return version


def back_in_the_queue(db, version):
    """What the reaper does when a worker has gone silent."""
    db.execute(
        sa.update(Job)
        .where(Job.id == version.job_id)
        .values(lease_expires_at=sa.func.now() - sa.text("interval '1 s'"))
    )
    db.commit()
    assert queue.reap() == 1


class Killed(BaseException):
    pass


@pytest.mark.parametrize("phase", ["reading", "writing", "saving"])
def test_killed_between_naming_and_building_a_retry_builds_from_the_named_votes(make, db, project, phase, monkeypatch):
    tasks = some_votes(make, project)
    twin = freeze(db, project)[0]
    files_before = stored_files()
    version = asked(db, project)
    job, reporter = claimed(db, version)

    def report(**said):
        if said.get("phase") == phase:
            raise Killed
        reporter(**said)

    report.fence = reporter.fence
    with monkeypatch.context() as patched:
        patched.setattr(files, "delete_attempts", lambda *_: None)  # SIGKILL cleans nothing up
        with pytest.raises(Killed):
            service.run(job, report)
    before = named(db, version)
    assert len(before) == 30
    vote(make, tasks[0], make.outside_annotator(project), "tie")
    back_in_the_queue(db, version)
    run_job(version.job_id)
    db.expire_all()
    assert db.get_one(Job, version.job_id).state == JobState.SUCCEEDED
    assert db.get_one(Job, version.job_id).attempt == 2
    assert named(db, version) == before
    assert version.content_hash == twin.content_hash
    assert len(stored_files()) == len(files_before) + len(WITHOUT_DEMONSTRATIONS)
    assert all(f"/{version.id}/2/" in path for path in set(stored_files()) - set(files_before))


def test_killed_while_saving_leaves_no_orphans_after_the_retry(make, db, project, monkeypatch):
    some_votes(make, project)
    version = asked(db, project)
    job, reporter = claimed(db, version)

    def killed(*_given):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(service, "_freeze", killed)
        with pytest.raises(Killed):
            service.run(job, reporter)
    assert len([path for path in stored_files() if f"/{version.id}/1/" in path]) == len(WITHOUT_DEMONSTRATIONS)
    back_in_the_queue(db, version)
    run_job(version.job_id)
    db.expire_all()
    assert version.frozen_at is not None
    assert not [path for path in stored_files() if f"/{version.id}/1/" in path]


def test_a_zombie_commits_nothing_and_takes_its_own_files_away(make, db, project):
    some_votes(make, project)
    version = asked(db, project)
    job, reporter = claimed(db, version)

    def report(**said):
        if said.get("phase") == "saving":  # paused here; meanwhile a second attempt ends
            back_in_the_queue(db, version)
            run_job(version.job_id)
            return
        reporter(**said)

    report.fence = reporter.fence
    with pytest.raises(queue.LostLease):
        service.run(job, report)
    db.expire_all()
    assert version.frozen_at is not None
    assert not [path for path in stored_files() if f"/{version.id}/1/" in path]
    assert all(storage.open_stored(file["stored"]).read() is not None for file in version.files.values())
    assert service.rebuild_hash(db, version) == version.content_hash


def test_an_attempt_after_the_freeze_changes_nothing(make, db, project):
    some_votes(make, project)
    version, job = freeze(db, project)
    before = stored_files()
    db.execute(sa.update(Job).where(Job.id == job.id).values(state=JobState.QUEUED))
    db.commit()
    run_job(job.id)
    assert stored_files() == before
    db.expire_all()
    assert db.get_one(Job, job.id).result["content_hash"] == version.content_hash


def test_cancelling_leaves_no_files(make, db, project, monkeypatch):
    some_votes(make, project)
    version = asked(db, project)
    saved = files.RowFiles.save

    def save_and_cancel(self, *given):
        found = saved(self, *given)
        queue.request_cancel(db, version.job_id)
        db.commit()
        return found

    before = stored_files()
    monkeypatch.setattr(files.RowFiles, "save", save_and_cancel)
    monkeypatch.setattr(files, "save_json", lambda *_: queue.Reporter(version.job_id, 1)(phase="saving"))
    run_job(version.job_id)
    db.expire_all()
    assert db.get_one(Job, version.job_id).state == JobState.CANCELLED
    assert version.frozen_at is None
    assert stored_files() == before


def test_what_cannot_be_frozen_is_refused_with_a_sentence(make, db, project):
    before = stored_files()

    def said(wanted=project, **policy):
        version, job = freeze(db, wanted, **policy)
        assert (job.state, version.frozen_at) == (JobState.FAILED, None)
        return job.error

    assert "there is nothing to freeze" in said()
    person = make.outside_annotator(project)
    for _ in range(3):
        vote(make, make.task(project, domain="one"), person, "tie")
    assert "Every row is a tie" in said()
    assert "Not one pair" in said(ties="leave_out")
    other = make.project()
    for _ in range(2):
        vote(make, make.task(other, prompt="The only prompt"), make.outside_annotator(other))
    assert "one cluster" in said(other)
    vote(make, make.task(other, prompt="Another prompt"), make.outside_annotator(other), "tie")
    assert "one cluster" in said(other)
    assert stored_files() == before


def test_an_archived_project_is_not_frozen(make, db, project):
    from app.errors import Conflict

    project.status = ProjectStatus.ARCHIVED
    db.commit()
    with pytest.raises(Conflict, match="archived"):
        service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy())


def test_agreement_is_measured_on_votes_that_were_not_asked_for_by_disagreement(make, db, project):
    tasks = some_votes(make, project, n_tasks=4)
    plain, _ = freeze(db, project)
    for task in tasks:
        vote(make, task, make.outside_annotator(project), overlap_reason=OverlapReason.ESCALATION)
    wider, _ = freeze(db, project, overlap_reasons=["imported", "escalation"])
    assert wider.manifest["agreement"]["raw"] == plain.manifest["agreement"]["raw"]
    assert wider.manifest["counts"]["votes"] == plain.manifest["counts"]["votes"] + 4


def test_agreement_is_assumed_where_nobody_overlaps_and_taken_where_it_is_given(make, db, project):
    some_votes(make, project, n_annotators=1)
    assumed, _ = freeze(db, project)
    assert (assumed.manifest["agreement"]["used"], assumed.manifest["agreement"]["source"]) == (0.73, "assumed")
    given, _ = freeze(db, project, agreement=0.9)
    assert (given.manifest["agreement"]["used"], given.manifest["agreement"]["source"]) == (0.9, "given")
    assert given.manifest["agreement"]["pseudo_votes"] == 0.125


def test_verifying_finds_the_same_hash_and_a_damaged_file(make, db, project):
    some_votes(make, project)
    version, _ = freeze(db, project)

    def checked():
        job = service.verify(db, version, actor_id=None)
        db.commit()
        run_job(job.id)
        db.expire_all()
        return db.get_one(Job, job.id).result

    assert checked() == {
        "number": 1,
        "content_hash": version.content_hash,
        "rebuilt_hash": version.content_hash,
        "is_same": True,
        "damaged_files": [],
    }
    storage.save_named(version.files["train.jsonl"]["stored"], io.BytesIO(b"{}\n"))
    storage.delete_stored(version.files["policy.json"]["stored"])
    found = checked()
    assert (found["is_same"], found["damaged_files"]) == (False, ["policy.json", "train.jsonl"])


def test_statements_do_not_grow_with_the_rows(make, db, project, count_statements):
    def counted():
        version = asked(db, project)
        with count_statements() as seen:
            run_job(version.job_id)
        assert version.frozen_at is not None or db.get_one(Job, version.job_id).state == JobState.SUCCEEDED
        return len(seen)

    some_votes(make, project, n_tasks=4)
    few = counted()
    some_votes(make, project, n_tasks=12)
    assert counted() == few <= 45


def test_numbers_count_up_and_lists_are_newest_first(make, db, project):
    some_votes(make, project)
    first, _ = freeze(db, project)
    second, _ = freeze(db, project)
    waiting = asked(db, project)
    assert [first.number, second.number, waiting.number] == [1, 2, 3]
    assert queries.frozen_versions(db, project.id) == [second, first]
    assert queries.version_by_number(db, project.id, 3) is waiting
    assert queries.version_by_number(db, make.project().id, 1) is None
    listed = service.list_versions(db, project_id=project.id)
    assert [(each.number, each.state) for each in listed.items] == [(3, "queued"), (2, "frozen"), (1, "frozen")]


def test_the_lineage_says_what_a_model_card_shows(make, db, project):
    some_votes(make, project)
    version, _ = freeze(db, project)
    found = service.lineage(db, version)
    json.dumps(found)
    assert found["project"] == project.name
    assert (found["data set version"], found["content hash"]) == (1, version.content_hash)
    assert (found["votes"], found["annotators"], found["guideline versions"]) == (30, 3, [1])


def test_two_jobs_of_the_slice_are_handled():
    assert handlers.HANDLERS[queue.Job.FREEZE_DATASET] is service.run
    assert handlers.HANDLERS[queue.Job.VERIFY_DATASET] is service.run_verify


def test_a_scale_is_read_from_the_schema_of_each_vote(make, db):
    project = make.project(schema=AnswerSchema(overall=Pairwise(strength_steps=1)))
    some = [make.task(project, prompt=f"P{n}") for n in range(3)]
    for task in some:
        vote(make, task, make.outside_annotator(project), "first", strength=1)
    version, _ = freeze(db, project, agreement=0.75)
    assert {row["p"] for row in rows(version)} == {0.75}
    assert version.frozen_at <= datetime.now(UTC)
    assert building.TRAIN in version.manifest["counts"]["splits"]
