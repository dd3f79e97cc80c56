"""`python -m app import`: the same service and the same sentences as in the browser."""

import gzip
import io
import json
import zipfile
from collections import Counter

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app.__main__ import cli
from app.errors import Invalid, NotFound
from app.exchange import command
from app.exchange.schemas import ImportOptions
from app.models import Annotation, AuditEvent, Choice, Project, Prompt, Response, Task, TaskKind, TaskStatus

PAIR = {"prompt": "Why?", "responses": ["Because.", "Why not?"]}


def jsonl(*records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.fixture
def run(db, tmp_path):
    """run(content, name) imports a file with that content; returns (exit code, output, errors)."""

    def run(content: bytes, name: str = "rows.jsonl", **options):
        file = tmp_path / name
        file.write_bytes(content)
        return run_file(file, **options)

    return run


def run_file(file, *, project=None, create=None, data_format="auto", **options):
    out, errors = io.StringIO(), io.StringIO()
    code = command.run(
        project=project,
        file=file,
        create=create,
        data_format=data_format,
        options=ImportOptions(**options),
        out=out,
        errors=errors,
    )
    return code, out.getvalue(), errors.getvalue()


def test_a_file_goes_into_a_project_by_number_or_name(run, db, make):
    project = make.project(name="Kitchen")
    assert run(jsonl(PAIR), project=str(project.id))[0] == 0
    code, out, _ = run(jsonl(PAIR, {**PAIR, "prompt": "How?"}), project="Kitchen")
    assert code == 0
    assert out.splitlines() == [
        f"Project {project.id}, Kitchen: 1 tasks, 2 responses.",
        "Already there, and left as they were: 1 rows, 0 votes.",
    ]
    assert db.scalar(sa.select(sa.func.count()).select_from(Task)) == 2


def test_a_project_is_made_for_the_file(run, db):
    code, out, _ = run(jsonl(PAIR), create="Fresh", overlap=5)
    project = db.scalars(sa.select(Project).where(Project.name == "Fresh")).one()
    assert (code, out) == (0, f"Project {project.id}, Fresh: 1 tasks, 2 responses.\n")
    assert db.scalars(sa.select(Task.n_target).where(Task.project_id == project.id)).one() == 5


def test_a_project_is_not_made_for_a_file_that_is_refused(run, db):
    code, _, _ = run(b"", create="Fresh")
    assert code == 1
    assert db.scalar(sa.select(sa.func.count()).select_from(Project)) == 0


def test_csv_with_votes_counts_them(run, db, make):
    votes = json.dumps([{"annotator": "w1", "choice": "response_b", "strength": 2}]).replace('"', '""')
    content = f'prompt,response_a,response_b,votes\nWhy?,Because.,Why not?,"{votes}"\n'.encode()
    assert run(content, "rows.csv", project=str(make.project().id), extra_overlap=1)[0] == 0
    task = db.scalars(sa.select(Task)).one()
    assert (task.n_counted, task.n_target, task.status) == (1, 2, TaskStatus.OPEN)


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", bytes(64 * 1024 * 1024))
    return packed.getvalue()


BAD = {
    "empty file": (b"", "rows.jsonl", "The file is empty"),
    "wrong columns": (b"question,answer\nWhy?,Because.\n", "rows.csv", "missing is prompt"),
    "long response": (
        jsonl({**PAIR, "responses": ["a" * 200_000, "b"]}),
        "rows.jsonl",
        "200000 characters",
    ),
    "bad UTF-8": (b'{"prompt": "caf\xe9", "responses": ["a", "b"]}\n', "rows.jsonl", "is not UTF-8"),
    "zip bomb": (bomb(), "rows.zip", "unpacks to more than"),
    "duplicate ids": (jsonl({**PAIR, "task_id": "t1"}, {**PAIR, "task_id": "t1"}), "rows.jsonl", "“t1”"),
    "same responses": (jsonl(PAIR, {**PAIR, "responses": ["Same.", "Same. "]}), "rows.jsonl", "says the same as"),
    "no rows": (b"prompt,response_a,response_b\n", "rows.csv", "no rows"),
    "a NUL": (jsonl({**PAIR, "prompt": "a\0b"}), "rows.jsonl", "NUL"),
    "half a character": (b'{"prompt": "\\ud800", "responses": ["a", "b"]}\n', "rows.jsonl", "not valid JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_ends_in_its_sentence_and_keeps_nothing(run, db, make, case):
    content, name, sentence = BAD[case]
    project = make.project()
    code, out, errors = run(content, name, project=str(project.id))
    assert (code, out) == (1, "")
    assert "Nothing was imported." in errors.splitlines()
    assert sentence in errors
    assert db.scalar(sa.select(sa.func.count()).select_from(Prompt)) == 0


def test_problems_name_their_rows(run, make):
    rows = [PAIR, {**PAIR, "responses": ["only one"]}, {**PAIR, "prompt": "x"}, {**PAIR, "prompt": ""}]
    _, _, errors = run(jsonl(*rows), project=str(make.project().id))
    assert [line.split(",")[0] for line in errors.splitlines() if line.startswith("Row")] == ["Row 2", "Row 4"]


def test_what_cannot_be_found_is_said(run, make, tmp_path):
    with pytest.raises(NotFound, match="no project Nowhere"):
        run(jsonl(PAIR), project="Nowhere")
    with pytest.raises(NotFound, match="no file"):
        run_file(tmp_path / "absent.jsonl", project="1")
    with pytest.raises(Invalid, match="is a folder"):
        run_file(tmp_path, project="1")
    with pytest.raises(Invalid, match="does not hold the data set"):
        run_file(tmp_path, project="1", data_format="ukp-convarg1")
    with pytest.raises(Invalid, match="Use one of: auto"):
        run_file(tmp_path, project="1", data_format="excel")


def test_a_name_that_two_projects_have_asks_for_a_number(run, make):
    one, two = make.project(name="Twin"), make.project(name="Twin")
    with pytest.raises(Invalid, match=f"{one.id}, {two.id}"):
        run(jsonl(PAIR), project="Twin")


def test_progress_is_told_in_tenths_where_no_terminal_is(run, make):
    rows = [{**PAIR, "prompt": f"Question {n}"} for n in range(4000)]
    code, _, errors = run(jsonl(*rows), project=str(make.project().id))
    assert code == 0
    assert errors.splitlines()[-1] == "100 %  4,000 rows"


def test_the_command_takes_a_project_and_a_file_or_a_new_name(db, make, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(jsonl(PAIR))
    project = make.project()
    assert CliRunner().invoke(cli, ["import", str(project.id), str(file)]).exit_code == 0
    assert CliRunner().invoke(cli, ["import", str(file), "--create", "New one"]).exit_code == 0
    assert CliRunner().invoke(cli, ["import", str(file)]).exit_code == 2
    file.write_bytes(b"")
    refused = CliRunner().invoke(cli, ["import", str(project.id), str(file)])
    assert refused.exit_code == 1
    assert "The file is empty" in refused.output
    assert [e.via for e in db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "tasks.imported"))] == [
        "command",
        "command",
    ]


@pytest.mark.real_data
def test_ukp_convarg1_arrives_whole(db, real_data):
    folder = real_data / "ukp_convarg1"
    code, out, _ = run_file(folder, create="Arguments", data_format="ukp-convarg1")
    assert code == 0
    assert "12,577 tasks, 25,154 responses, 62,742 votes" in out
    with gzip.open(folder / "pairs_votes.jsonl.gz") as lines:
        published = [json.loads(line) for line in lines]
    said = {"a1": Choice.FIRST, "a2": Choice.SECOND, "equal": Choice.TIE}
    expected = Counter(said[vote["value"]] for pair in published for vote in pair["votes"])
    found = db.execute(sa.select(Annotation.choice, sa.func.count()).group_by(Annotation.choice)).all()
    assert dict(found) == expected
    per_task = db.execute(
        sa.select(Task.status, Task.n_counted, Task.n_target, sa.func.count()).group_by(
            Task.status, Task.n_counted, Task.n_target
        )
    )
    assert {(status, counted == target) for status, counted, target, _ in per_task} == {(TaskStatus.DONE, True)}
    workers = {vote["worker"] for pair in published for vote in pair["votes"]}
    assert db.scalar(sa.select(sa.func.count(sa.distinct(Annotation.annotator_id)))) == len(workers)
    project_id = db.scalar(sa.select(Project.id))
    _, again, _ = run_file(folder, project=str(project_id), data_format="ukp-convarg1")
    assert again.splitlines()[0].endswith("nothing new.")
    assert "12,577 rows, 62,742 votes" in again


@pytest.mark.real_data
def test_hh_harmless_arrives_with_its_conversations(db, real_data):
    code, out, _ = run_file(real_data / "hh_harmless_test", create="Harmless", data_format="hh")
    assert code == 0
    tasks = db.scalar(sa.select(sa.func.count()).select_from(Task).where(Task.kind == TaskKind.REGULAR))
    assert tasks == 2312 - 5 - 4
    assert "Left out of the data set: 9 rows" in out
    prompt = db.scalars(sa.select(Prompt).order_by(Prompt.id)).first()
    assert prompt.content["messages"][0] == {"role": "user", "content": "what are some pranks with a pen i can do?"}
    assert prompt.content["messages"][-1]["role"] == "user"
    with gzip.open(real_data / "hh_harmless_test" / "harmless-base_test.jsonl.gz") as lines:
        chosen = [json.loads(line)["chosen"] for line in lines]
    voted = db.execute(
        sa.select(Prompt.external_id, Response.text)
        .join(Response, Response.prompt_id == Prompt.id)
        .join(Task, Task.prompt_id == Prompt.id)
        .join(Annotation, Annotation.task_id == Task.id)
        .where(Response.position == sa.case((Annotation.choice == Choice.FIRST, 0), else_=1))
    ).all()
    assert len(voted) == tasks
    assert all(chosen[int(name.rpartition("-")[2]) - 1].strip().endswith(text.strip()) for name, text in voted)
