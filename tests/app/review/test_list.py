"""The task list: each filter alone and together, pages that neither skip nor repeat, and who may look."""

from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from app.errors import Invalid
from app.models import ImportBatch, ProjectStatus, Prompt, Role, Standing, TaskStatus
from app.models.task import SEARCH_BLOCK
from app.review import service
from app.review.cursors import Cursor, decode
from app.review.schemas import Sort, TaskListQuery
from tests.support.hostile import PAYLOADS


def listed(db, project, **wanted):
    page = service.list_tasks(db, project_id=project.id, wanted=TaskListQuery.model_validate(wanted))
    return [row.id for row in page.items]


def every_page(db, project, **wanted):
    """All ids, page by page forwards, and what the way back finds."""
    forwards, backwards, cursor, last = [], [], None, None
    while True:
        page = service.list_tasks(db, project_id=project.id, wanted=TaskListQuery(**wanted, cursor=cursor))
        forwards.append([row.id for row in page.items])
        last = page
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    while last.previous_cursor is not None:
        last = service.list_tasks(
            db, project_id=project.id, wanted=TaskListQuery(**wanted, cursor=last.previous_cursor)
        )
        backwards.insert(0, [row.id for row in last.items])
    return forwards, backwards


def elements(html):
    """(tag, attribute) of all that a parser makes of the page."""
    found = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.update({(tag, "")} | {(tag, name) for name, _value in attributes})

    Parser().feed(html)
    return found


@pytest.fixture
def batch(db, project):
    row = ImportBatch(project_id=project.id, filename="some.jsonl", file_hash="x", counts={})
    db.add(row)
    db.commit()
    return row


@pytest.fixture
def world(db, make, project, vote, batch):
    """One task for each condition, named after it, and one that no condition meets."""
    person = make.annotator(make.member(project))
    other = make.annotator(make.member(project))
    tasks = {
        "plain": make.task(project),
        "done": make.task(project, status=TaskStatus.DONE),
        "archived": make.task(project, status=TaskStatus.ARCHIVED),
        "gold": make.task(project, gold="first"),
        "words": make.task(project, prompt="How do volcanoes erupt in winter?"),
        "tag": make.task(project, tags=["geology", "ice"]),
        "domain": make.task(project, domain="law"),
        "language": make.task(project, language="pt-BR"),
        "annotator": make.task(project),
        "late": make.task(project),
        "flagged": make.task(project),
        "leased": make.task(project),
        "batch": make.task(project),
    }
    vote(tasks["annotator"], person)
    vote(tasks["late"], other, standing=Standing.LATE)
    vote(tasks["flagged"], other, is_flagged=True)
    make.assignment(tasks["leased"], person)
    db.get(Prompt, tasks["batch"].prompt_id).batch_id = batch.id
    db.commit()
    tasks["person"] = person
    return tasks


ALONE = {
    "done": {"status": "done"},
    "archived": {"status": "archived"},
    "leased": {"status": "leased"},
    "gold": {"kind": "gold"},
    "words": {"q": "erupt volcanoes"},
    "tag": {"tag": "ice"},
    "domain": {"domain": "law"},
    "language": {"language": "pt-BR"},
    "late": {"late": "1"},
    "flagged": {"flagged": "true"},
}


@pytest.mark.parametrize("name", ALONE)
def test_each_filter_alone(db, project, world, name):
    assert listed(db, project, **ALONE[name]) == [world[name].id]


@pytest.mark.parametrize("name", ALONE)
def test_each_filter_alone_where_the_list_is_walked(db, project, world, name, few_are_many):
    assert listed(db, project, **ALONE[name]) == [world[name].id]


def test_by_annotator_batch_and_id_in_the_file(db, project, world, batch):
    assert listed(db, project, annotator=world["person"].pseudonym) == [world["annotator"].id]
    assert listed(db, project, annotator="nobody-is-called-so") == []
    assert listed(db, project, batch=str(batch.id)) == [world["batch"].id]
    external_id = db.get(Prompt, world["plain"].prompt_id).external_id
    assert listed(db, project, external_id=external_id) == [world["plain"].id]


def test_waiting_is_open_regular_work_with_a_free_place(db, make, project, world):
    full = make.task(project, overlap=1)
    make.assignment(full, make.annotator(make.member(project)))
    waiting = listed(db, project, status="waiting")
    assert full.id not in waiting
    assert not {world[name].id for name in ("done", "archived", "gold")} & set(waiting)
    assert world["plain"].id in waiting


def test_conditions_hold_together(db, make, project):
    both = make.task(project, prompt="red apples", tags=["fruit"], domain="food", language="en", priority=3)
    make.task(project, prompt="red apples", tags=["fruit"], domain="food", language="de")
    make.task(project, prompt="green apples", tags=["fruit"], domain="food", language="en")
    make.task(project, prompt="red apples", tags=["tree"], domain="food", language="en")
    make.task(project, prompt="red apples", tags=["fruit"], domain="art", language="en")
    wanted = {"q": "red", "tag": "fruit", "domain": "food", "language": "en", "status": "open"}
    assert listed(db, project, **wanted) == [both.id]


def test_conditions_hold_together_where_many_have_the_words(db, make, project, few_are_many):
    tasks = [make.task(project, prompt="red apples", tags=["odd" if i % 2 else "even"]) for i in range(20)]
    expected = [task.id for task in tasks if task.tags == ["odd"]]
    assert listed(db, project, q="red", tag="odd") == expected
    assert listed(db, project, q="red", tag="neither") == []


def test_words_phrases_and_exclusions(db, make, project):
    first = make.task(project, prompt="the quick brown fox")
    second = make.task(project, prompt="the brown and quick dog")
    assert listed(db, project, q='"quick brown"') == [first.id]
    assert listed(db, project, q="brown -fox") == [second.id]
    assert listed(db, project, q="fox or dog") == [first.id, second.id]
    assert listed(db, project, q="!!! ??") == []
    assert listed(db, project, q="qui") == []


@pytest.mark.parametrize("text", ["Größe", "数学", "مرحبا", "наука", "e\u0301tude", "🦊"])
def test_words_of_every_script_are_shown_and_looked_for(db, browse, make, project, reviewer, text):
    task = make.task(project, prompt=f"before {text} after", tags=[text], domain=text)
    if text != "🦊":  # a picture is no word to the text search
        assert listed(db, project, q=text) == [task.id]
    assert listed(db, project, tag=text) == [task.id]
    assert listed(db, project, domain=text) == [task.id]
    assert text in browse(reviewer).get(f"/projects/{project.id}/tasks", params={"tag": text}).text


def test_a_superseded_flag_is_no_flag(db, make, project, vote):
    task, person = make.task(project), make.annotator(make.member(project))
    flagged = vote(task, person, is_flagged=True)
    assert listed(db, project, flagged="1") == [task.id]
    vote(task, person, supersedes=flagged)
    assert listed(db, project, flagged="1") == []


def test_other_projects_never_show(db, make, project):
    mine = make.task(project, prompt="shared words", tags=["t"], domain="d")
    other = make.project()
    theirs = make.task(other, prompt="shared words", tags=["t"], domain="d")
    foreign = ImportBatch(project_id=other.id, filename="theirs", file_hash="y", counts={})
    db.add(foreign)
    db.flush()
    db.get(Prompt, theirs.prompt_id).batch_id = foreign.id
    db.commit()
    for wanted in ({}, {"q": "shared"}, {"tag": "t"}, {"domain": "d"}):
        assert listed(db, project, **wanted) == [mine.id]
    assert listed(db, project, batch=foreign.id) == []


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("walks", [False, True])
def test_pages_neither_skip_nor_repeat(request, db, make, project, vote, sort, walks):
    if walks:
        request.getfixturevalue("few_are_many")
    person = [make.outside_annotator(project) for _ in range(3)]
    for i in range(17):
        task = make.task(project, prompt="alike", priority=(i * 7) % 3 - 1, overlap=3 if i % 2 else 5)
        for voter in person[: i % 4]:
            vote(task, voter)
    forwards, backwards = every_page(db, project, sort=sort, size=5)
    ids = [row_id for page in forwards for row_id in page]
    assert [len(page) for page in forwards] == [5, 5, 5, 2]
    assert len(set(ids)) == 17
    assert backwards == forwards[:-1]
    other_way = Sort(sort.removeprefix("-") if sort.startswith("-") else f"-{sort}")
    assert [i for page in every_page(db, project, sort=other_way, size=4)[0] for i in page] == ids[::-1]


@pytest.mark.parametrize("sort", ["id", "-id", "-priority"])
def test_a_common_word_far_down_the_list(db, make, project, few_are_many, sort):
    """The words stand blocks of ids apart; pages by import order look them up a block at a time."""
    expected = []
    sequence = db.scalar(sa.text("select pg_get_serial_sequence('prompt', 'id')"))
    for _block in range(4):
        db.execute(sa.select(sa.func.setval(sequence, sa.func.nextval(sequence) + SEARCH_BLOCK)))
        make.task(project, prompt="something else")
        expected += [make.task(project, prompt="bonjour monde").id for _ in range(3)]
        make.task(project, prompt="something else")
    forwards, backwards = every_page(db, project, sort=sort, size=5, q="bonjour")
    order = expected if sort == "id" else expected[::-1]
    assert [row_id for page in forwards for row_id in page] == order
    assert backwards == forwards[:-1]
    tagged, _ = every_page(db, project, sort=sort, size=5, q="bonjour", status="open")
    assert [row_id for page in tagged for row_id in page] == order


def test_a_page_stays_where_it_is_while_tasks_come_and_go(db, make, project):
    tasks = [make.task(project, priority=0) for _ in range(9)]
    first = service.list_tasks(db, project_id=project.id, wanted=TaskListQuery(size=3, sort="-priority"))
    make.task(project, priority=100)
    tasks[0].priority = -100
    db.commit()
    second = service.list_tasks(
        db, project_id=project.id, wanted=TaskListQuery(size=3, sort="-priority", cursor=first.next_cursor)
    )
    assert [row.id for row in first.items] == [task.id for task in tasks[8:5:-1]]
    assert [row.id for row in second.items] == [task.id for task in tasks[5:2:-1]]


def test_the_count_stops(db, make, project, few_are_many):
    for _ in range(8):
        make.task(project, domain="much")
    make.task(project, domain="little")
    many = service.list_tasks(db, project_id=project.id, wanted=TaskListQuery(domain="much"))
    few = service.list_tasks(db, project_id=project.id, wanted=TaskListQuery(domain="little"))
    assert (many.total, many.is_capped, len(many.items)) == (5, True, 8)
    assert (few.total, few.is_capped) == (1, False)


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "e30", "bnVsbA", "WyJpZCIsIm4iLDFd", "é", "A" * 300, Cursor("id", "next", 2**70, 1).encode(), "W1tbW1tb"],
)
def test_a_damaged_cursor_is_a_sentence(cursor):
    with pytest.raises(Invalid) as caught:
        decode(cursor, sort="id")
    assert caught.value.code == "invalid_cursor"


def test_a_cursor_of_another_order_is_refused():
    cursor = Cursor("priority", "next", -5, 7)
    assert decode(cursor.encode(), sort="priority") == cursor
    with pytest.raises(Invalid):
        decode(cursor.encode(), sort="id")


HOSTILE = ["' or 1=1 --", "%' union select 1", "\\", "a & | !", "''", '"', ":*", "<->", "(", "$1", "%s", "x\x00y", "{}"]


@pytest.mark.parametrize("field", ["q", "tag", "domain", "language", "annotator", "external_id"])
def test_hostile_text_is_only_text(browse, make, project, reviewer, field):
    make.task(project, prompt="zebrafish")
    client = browse(reviewer)
    for text in HOSTILE:
        response = client.get(f"/projects/{project.id}/tasks", params={field: text})
        assert response.status_code == 200, text
        assert "zebrafish" not in response.text, text


@pytest.mark.parametrize(
    "params",
    [
        {"status": "bogus"},
        {"kind": "x"},
        {"batch": "x"},
        {"batch": str(2**63)},
        {"batch": "0"},
        {"sort": "name"},
        {"size": "0"},
        {"size": "9999"},
        {"late": "perhaps"},
        {"q": "x" * 301},
        {"cursor": "nonsense"},
    ],
)
def test_an_impossible_address_is_422(browse, make, project, reviewer, params):
    client = browse(reviewer)
    assert client.get(f"/projects/{project.id}/tasks", params=params).status_code == 422
    answer = client.get(f"/api/v1/projects/{project.id}/tasks", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_empty_fields_of_the_form_ask_for_nothing(browse, make, project, reviewer):
    make.task(project, prompt="still here")
    names = ("q", "status", "kind", "tag", "domain", "language", "annotator", "batch", "external_id", "late", "sort")
    response = browse(reviewer).get(f"/projects/{project.id}/tasks", params=dict.fromkeys(names, ""))
    assert response.status_code == 200
    assert "still here" in response.text
    assert response.headers["HX-Push-Url"] == f"/projects/{project.id}/tasks"


def test_the_address_carries_the_filter_to_the_next_page(browse, make, project, reviewer):
    for _ in range(3):
        make.task(project, tags=["a&b=c"])
    page = browse(reviewer).get(f"/projects/{project.id}/tasks", params={"tag": "a&b=c", "size": 2, "sort": "-id"})
    assert "tag=a%26b%3Dc&amp;sort=-id&amp;size=2&amp;cursor=" in page.text


def test_hostile_text_makes_no_element(browse, make, project, reviewer):
    """All payloads on pages of the list give the same kinds of elements and attributes as harmless text."""
    client, address = browse(reviewer), f"/projects/{project.id}/tasks?size=200"
    make.task(project, prompt="harmless", tags=["a"], domain="b", language="en")
    before = elements(client.get(address).text)
    for payload in PAYLOADS:
        text = payload.text.replace("\x00", "").encode(errors="replace").decode()  # what a table can hold
        make.task(project, prompt=text, tags=[text[:60]], domain=text, language="en")
    for page in (client.get(address), client.get(f"{address}&sort=-id")):
        assert page.status_code == 200
        assert elements(page.text) <= before | {
            ("a", "rel"),
            ("a", "hx-get"),
            ("a", "hx-swap"),
            ("a", "hx-target"),
            ("a", "hx-push-url"),
            ("path", "d"),
        }


def test_htmx_gets_the_table_and_a_browser_the_page(browse, make, project, reviewer):
    make.task(project, prompt="a prompt")
    client, address = browse(reviewer), f"/projects/{project.id}/tasks"
    page, part = client.get(address), client.get(address, headers={"HX-Request": "true"})
    assert "<!DOCTYPE html>" in page.text
    assert "<!DOCTYPE html>" not in part.text
    assert part.text.lstrip().startswith("<form")
    assert "a prompt" in page.text
    assert "a prompt" in part.text


def test_a_row_says_how_the_votes_fall(browse, make, project, reviewer, vote):
    task = make.task(project, priority=42)
    for voter, choice in zip(
        [make.outside_annotator(project) for _ in range(3)], ["first", "first", "tie"], strict=True
    ):
        vote(task, voter, choice)
    vote(task, make.outside_annotator(project), "second", standing=Standing.LATE)
    text = browse(reviewer).get(f"/projects/{project.id}/tasks").text
    assert "2 A · 1 tie" in text
    assert "3 of 3" in text
    assert ">42<" in text


@pytest.mark.parametrize("size", [1, 50, 200])
def test_the_number_of_statements_does_not_grow(browse, make, project, reviewer, few_are_many, count_statements, size):
    for _ in range(30):
        make.task(project, prompt="alike words", tags=["t"])
    client = browse(reviewer)
    params = {"size": size, "q": "alike", "tag": "t", "annotator": "", "status": "open"}
    with count_statements() as counted:
        assert client.get(f"/projects/{project.id}/tasks", params=params).status_code == 200
    assert len(counted) <= 8, counted


def test_an_empty_project_teaches_the_next_step(browse, project, admin, reviewer):
    assert f"/projects/{project.id}/import" in browse(admin).get(f"/projects/{project.id}/tasks").text
    assert "No tasks yet" in browse(reviewer).get(f"/projects/{project.id}/tasks").text


def test_only_an_admin_of_a_living_project_sees_what_changes_tasks(browse, db, make, project, admin, reviewer):
    make.task(project)
    address = f"/projects/{project.id}/tasks"
    assert 'name="ids"' in browse(admin).get(address).text
    assert 'name="ids"' not in browse(reviewer).get(address).text
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    page = browse(admin).get(address)
    assert page.status_code == 200
    assert 'name="ids"' not in page.text


def test_who_may_look(browse, make, project, admin, reviewer):
    address = f"/projects/{project.id}/tasks"
    annotator, stranger = make.member(project, Role.ANNOTATOR), make.user()
    assert browse().get(address).status_code == 303
    assert [browse(user).get(address).status_code for user in (stranger, annotator, reviewer, admin)] == [
        404,
        403,
        200,
        200,
    ]
