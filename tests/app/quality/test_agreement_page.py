"""A project's agreement: which votes count, and that page, API, command and SQL say the same."""

import csv
import io
import json
import random
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from app.models import (
    Annotation,
    AnnotatorKind,
    AuditEvent,
    OverlapReason,
    Preference,
    Role,
    Standing,
    Task,
    TaskKind,
    TaskResponse,
)
from app.quality import service
from app.quality.schemas import AgreementQuery

COEFFICIENTS = ("raw", "alpha_sym", "alpha_nominal", "alpha_ordinal", "ac1", "fleiss")


def api(project):
    return f"/api/v1/projects/{project.id}/agreement"


def page(project):
    return f"/projects/{project.id}/agreement"


@pytest.fixture
def filled(make, project, vote, crowd):
    """45 tasks with three votes each, four of them on one prompt; the last 10 under a second version."""
    chance = random.Random(2)
    make.guideline(project, number=2)
    for n in range(45):
        task = make.task(project, prompt="the same prompt" if n < 4 else None)
        truth = chance.choice("AB")
        for annotator in crowd:
            label = truth if chance.random() < 0.7 else chance.choice(["A", "B", "tie"])
            vote(task, annotator, label, guideline=2 if n >= 35 else 1)
    return project


def labels_by_task(db, project):
    return [
        (row.task_id, row.label, row.n)
        for row in db.execute(
            sa.text(
                """
                SELECT a.task_id, sign(p.signed_strength)::int AS label, count(*) AS n
                FROM annotation a JOIN preference p ON p.annotation_id = a.id
                WHERE a.project_id = :project GROUP BY 1, 2 ORDER BY 1, 2
                """
            ),
            {"project": project.id},
        )
    ]


RAW_AGREEMENT = """
WITH counts AS (
  SELECT a.task_id, sign(p.signed_strength) AS label, count(*) AS n
  FROM annotation a JOIN preference p ON p.annotation_id = a.id
  WHERE a.project_id = :project GROUP BY 1, 2
), tasks AS (
  SELECT task_id, sum(n) AS m, sum(n * (n - 1)) AS agreeing FROM counts GROUP BY 1
)
SELECT avg(agreeing / (m * (m - 1)))::float FROM tasks WHERE m >= 2
"""


def test_page_and_api_say_what_sql_counts(db, browse, filled, reviewer):
    said = browse(reviewer).get(api(filled)).json()
    assert said["raw"] == pytest.approx(db.execute(sa.text(RAW_AGREEMENT), {"project": filled.id}).scalar_one())
    by_label = dict.fromkeys(("A", "tie", "B"), 0)
    for _task, sign, n in labels_by_task(db, filled):
        by_label[{1: "A", 0: "tie", -1: "B"}[sign]] += n
    assert said["labels"] == by_label
    assert (said["n_votes"], said["n_items"], said["n_overlapping"], said["n_clusters"]) == (135, 45, 45, 42)
    html = browse(reviewer).get(page(filled)).text
    for name in COEFFICIENTS:
        interval = said["intervals"][name]
        assert f"{said[name]:.3f}" in html, name
        assert f"{interval['low']:.3f}–{interval['high']:.3f}" in html, name


def test_the_command_on_the_downloaded_votes_says_what_the_api_says(browse, filled, reviewer, tmp_path):
    client = browse(reviewer)
    for query in ("", "?version=2", "?version=1"):
        path = tmp_path / "votes.csv"
        answer = client.get(page(filled) + "/votes.csv" + query)
        assert "attachment" in answer.headers["content-disposition"]
        path.write_bytes(answer.content)
        run = subprocess.run(
            [sys.executable, "-m", "app", "agreement", str(path), "--json"], capture_output=True, text=True, check=True
        )
        said = client.get(api(filled) + query).json()
        for own in ("version", "kind", "versions"):
            del said[own]
        assert json.loads(run.stdout) == said


def test_a_version_is_compared_within_itself(browse, filled, reviewer):
    client = browse(reviewer)
    everything = client.get(api(filled)).json()
    assert [(each["version"], each["n_votes"]) for each in everything["versions"]] == [(2, 30), (1, 105)]
    second = client.get(api(filled), params={"version": "2"}).json()
    assert (second["n_votes"], second["raw"]) == (30, everything["versions"][0]["raw"])
    assert second["intervals"]["raw"]["reason"] == "too_few_items"
    html = client.get(page(filled)).text
    assert "By guideline version" in html
    assert "fewer than 30 tasks with two votes" in html


def test_votes_without_guidelines_are_a_version_of_their_own(browse, filled, reviewer, vote, make):
    task = make.task(filled)
    worker = make.outside_annotator(filled)
    vote(task, worker, "B", guideline=None, overlap_reason=OverlapReason.IMPORTED)
    said = browse(reviewer).get(api(filled), params={"version": "none"}).json()
    assert (said["n_votes"], said["labels"]) == (1, {"A": 0, "B": 1})


def test_only_base_imported_and_calibration_votes_count_and_only_the_last_revision(db, make, project, vote, crowd):
    one, two, three = crowd
    task = make.task(project)
    vote(task, one, "A")
    vote(task, two, "B", overlap_reason=OverlapReason.CALIBRATION)
    first = vote(task, three, "A", overlap_reason=OverlapReason.IMPORTED)
    second = vote(task, three, "tie", overlap_reason=OverlapReason.IMPORTED, supersedes=first)
    vote(task, three, "both_bad", overlap_reason=OverlapReason.IMPORTED, supersedes=second)
    for n, values in enumerate(
        [
            {"overlap_reason": OverlapReason.ESCALATION},
            {"overlap_reason": OverlapReason.ADJUDICATION},
            {"overlap_reason": OverlapReason.RETEST},
            {"overlap_reason": OverlapReason.GOLD},
            {"standing": Standing.LATE},
            {"standing": Standing.GOLD},
        ]
    ):
        vote(make.task(project) if n == 2 else task, make.outside_annotator(project), "B", **values)
    gold = make.task(project, gold="first")
    assert gold.kind == TaskKind.GOLD
    vote(gold, one, "A")
    vote(make.task(make.project()), one, "A")
    votes = service.read_votes(db, project.id)
    assert [(row[0], row[2]) for row in service.as_file_rows(votes)] == [
        (str(task.id), "A"),
        (str(task.id), "B"),
        (str(task.id), "both_bad"),
    ]


def test_labels_speak_of_the_response_with_the_lower_id(db, make, project, vote, crowd):
    task = make.task(project)
    low, high = db.scalars(
        sa.select(TaskResponse.response_id).where(TaskResponse.task_id == task.id).order_by(TaskResponse.position)
    )
    assert low < high
    other = make.task(project)
    rows = db.scalars(sa.select(TaskResponse).where(TaskResponse.task_id == other.id)).all()
    for row in rows:  # the same pair, stored the other way round
        db.delete(row)
    db.flush()
    db.add_all([TaskResponse(task_id=other.id, position=n, response_id=r) for n, r in enumerate((high, low))])
    db.flush()
    vote(task, crowd[0], "A")
    vote(other, crowd[0], "B")
    assert [row[2] for row in service.as_file_rows(service.read_votes(db, project.id))] == ["A", "A"]


def test_votes_by_kind_of_annotator(browse, filled, reviewer, vote, make, db):
    task_id = db.scalars(sa.select(Task.id).where(Task.project_id == filled.id).order_by(Task.id)).first()
    vote(db.get(Task, task_id), make.outside_annotator(filled, AnnotatorKind.SIMULATED), "B")
    client = browse(reviewer)
    assert client.get(api(filled)).json()["n_votes"] == 136
    assert client.get(api(filled), params={"kind": "simulated"}).json()["n_votes"] == 1
    assert client.get(api(filled), params={"kind": "person"}).json()["n_votes"] == 135
    assert "Some of these votes come from simulated annotators" in client.get(page(filled)).text


def test_votes_of_nobody_but_simulations_are_called_so(browse, project, reviewer, vote, make):
    task = make.task(project)
    for label in "AB":
        vote(task, make.outside_annotator(project, AnnotatorKind.SIMULATED), label)
    text = browse(reviewer).get(page(project)).text
    assert "All of these votes come from simulated annotators" in text
    assert "fewer than 30 tasks with two votes" in text


def test_pairs_of_annotators_are_named_by_pseudonym(browse, filled, reviewer, crowd):
    said = browse(reviewer).get(api(filled)).json()
    names = {annotator.pseudonym for annotator in crowd}
    assert {name for pair in said["cohen"] for name in (pair["first"], pair["second"])} == names
    assert [pair["n_items"] for pair in said["cohen"]] == [45, 45, 45]
    html = browse(reviewer).get(page(filled)).text
    for pair in said["cohen"]:
        assert f"{pair['kappa']:.3f}" in html


class Circles(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = 0

    def handle_starttag(self, tag, attributes):
        self.found += (tag, ("class", "intervals-point")) in [(tag, a) for a in attributes] and tag == "circle"


def test_the_picture_has_a_point_for_each_coefficient(browse, filled, reviewer):
    seen = Circles()
    seen.feed(browse(reviewer).get(page(filled)).text)
    assert seen.found == 6


def test_the_page_sends_few_statements_however_many_votes(
    browse, filled, reviewer, count_statements, vote, make, crowd
):
    client = browse(reviewer)
    client.get(page(filled))
    with count_statements() as few:
        client.get(page(filled))
    for _ in range(20):
        task = make.task(filled)
        for annotator in crowd:
            vote(task, annotator, "A")
    with count_statements() as many:
        client.get(page(filled))
    assert len(many) == len(few) <= 9


def test_nothing_is_computed_while_a_connection_is_held(browse, filled, reviewer, monkeypatch):
    from app.quality import api as quality_api
    from app.quality import pages

    order = []
    computes = service.report

    def released(session):
        order.append("released")
        session.commit()

    def report(votes, wanted):
        order.append("computed")
        return computes(votes, wanted)

    monkeypatch.setattr(service, "report", report)
    for module in (pages, quality_api):
        monkeypatch.setattr(module, "end_of_writing", released)
    client = browse(reviewer)
    client.get(page(filled))
    client.get(api(filled))
    assert order == ["released", "computed"] * 2


def test_the_same_votes_are_summarised_once(db, filled, monkeypatch):
    votes = service.read_votes(db, filled.id)
    first = service.summarise_votes(votes)

    def fail(*_arguments, **_options):
        raise AssertionError("computed again")

    monkeypatch.setattr(service, "summarise_coded", fail)
    assert service.summarise_votes(service.read_votes(db, filled.id)) is first
    with pytest.raises(AssertionError, match="computed again"):
        service.summarise_votes(votes.wanted(AgreementQuery(version="1")))


def test_an_empty_project_is_told_what_is_missing(browse, make, project, reviewer):
    text = browse(reviewer).get(page(project)).text
    assert "No votes to compare yet" in text
    assert f"/projects/{project.id}/settings" not in text  # a reviewer may not change them
    admin = make.member(project, Role.ADMIN)
    assert f'href="/projects/{project.id}/settings"' in browse(admin).get(page(project)).text
    said = browse(reviewer).get(api(project)).json()
    assert (said["n_votes"], said["raw"], said["intervals"]["raw"]["reason"]) == (0, None, "no_overlap")


def test_single_votes_are_told_that_they_lack_overlap(browse, make, project, reviewer, vote, crowd):
    vote(make.task(project), crowd[0], "A")
    text = browse(reviewer).get(page(project)).text
    assert "No task has two votes yet" in text


def test_one_label_only_is_no_variation_in_words(browse, make, project, reviewer, vote, crowd):
    for _ in range(31):
        task = make.task(project)
        for annotator in crowd:
            vote(task, annotator, "A")
    answer = browse(reviewer).get(page(project))
    assert answer.status_code == 200
    assert "no variation: only one label was given" in answer.text
    said = browse(reviewer).get(api(project)).json()
    assert {said[name] for name in ("alpha_sym", "alpha_nominal", "ac1", "fleiss")} == {None}
    assert {(pair["kappa"], pair["reason"]) for pair in said["cohen"]} == {(None, "no_variation")}


def test_a_filter_that_finds_nothing_leads_back(browse, filled, reviewer):
    assert "No votes of this kind" in browse(reviewer).get(page(filled), params={"kind": "imported"}).text


@pytest.mark.parametrize("query", ["version=0", "version=-1", "version=1e3", "kind=robot", "version=" + "9" * 30])
def test_a_filter_that_is_none_is_refused_by_the_api_and_ignored_by_the_page(browse, filled, reviewer, query):
    client = browse(reviewer)
    assert client.get(f"{api(filled)}?{query}").status_code == 422
    assert client.get(f"{page(filled)}/votes.csv?{query}").status_code == 422
    assert "All coefficients" in client.get(f"{page(filled)}?{query}").text


def test_a_download_is_written_down(browse, db, filled, reviewer):
    answer = browse(reviewer).get(page(filled) + "/votes.csv?version=2")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 30
    assert set(rows[0]) == {"item", "annotator", "label", "cluster"}
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "votes.export")).one()
    assert (event.actor_id, event.project_id, event.detail) == (reviewer.id, filled.id, {"votes": 30, "version": "2"})


def test_annotators_do_not_see_how_far_they_agree(browse, make, filled):
    annotator = make.member(filled)
    for address in (page(filled), page(filled) + "/votes.csv", api(filled)):
        assert browse(annotator).get(address).status_code == 403


def test_every_counted_vote_has_one_preference(db, filled):
    """What the query takes for granted when it joins the two."""
    n = db.scalar(sa.select(sa.func.count()).select_from(Annotation).where(Annotation.project_id == filled.id))
    joined = sa.select(sa.func.count()).select_from(Preference).join(Annotation)
    assert db.scalar(joined.where(Annotation.project_id == filled.id)) == n
