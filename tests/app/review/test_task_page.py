"""A task in full: on its page and by the API, for those who may see it."""

from app.models import Choice, Prompt, Role, Standing, TaskStatus
from tests.app.review.test_list import elements
from tests.support.hostile import PAYLOADS


def test_everything_about_a_task_is_there(browse, db, make, project, admin, reviewer, vote):
    task = make.task(project, prompt="Which is **right**?", responses=("Answer *one*", "Answer two"), tags=["tagged"])
    person = make.annotator(make.member(project))
    first = vote(task, person, Choice.FIRST, rationale="It is shorter.", guideline_version_id=None)
    vote(task, person, Choice.TIE, supersedes=first, is_swapped=True, rationale="On second thought.")
    vote(task, make.outside_annotator(project, "simulated"), Choice.SECOND, standing=Standing.LATE, is_flagged=True)
    skipped = make.assignment(task, make.annotator(make.member(project)))
    skipped.state, skipped.closed_at = "skipped", skipped.leased_at
    skipped.skip_reason, skipped.skip_note = "not_my_field", "too medical"
    db.commit()
    browse(admin).post(f"/projects/{project.id}/tasks/{task.id}/priority", data={"priority": "9"})

    text = browse(reviewer).get(f"/projects/{project.id}/tasks/{task.id}").text
    for shown in (
        "Which is <strong>right</strong>?",
        "Answer <em>one</em>",
        "model-0",
        "model-1",
        "A is better, strength 2",
        "Equally good",
        "revision 1, replaced later",
        "revision 2",
        "It is shorter.",
        "On second thought.",
        "Late, not counted",
        "simulated",
        "12.5 s",
        "Not my field",
        "too medical",
        "Priority set",
        person.pseudonym,
        "1 tie",
    ):
        assert shown in text, shown
    assert make.annotator(admin).pseudonym in text
    assert admin.email not in text


def test_a_conversation_is_shown_turn_by_turn(browse, db, make, project, reviewer):
    task = make.task(project)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello *there*"}]
    db.get(Prompt, task.prompt_id).content = {"messages": messages}
    db.commit()
    text = browse(reviewer).get(f"/projects/{project.id}/tasks/{task.id}").text
    assert "System" in text
    assert "Be brief." in text
    assert "Hello <em>there</em>" in text


HARMLESS = """a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul math
mfrac mi mn mo mover mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"""
MARKDOWN = set(HARMLESS.split())


def test_hostile_text_makes_no_element(browse, db, make, project, reviewer, vote):
    """Payloads in every field of a task add nothing to its page but what Markdown may make."""
    client, address = browse(reviewer), f"/projects/{project.id}/tasks"
    texts = [payload.text.replace("\x00", "").encode(errors="replace").decode() for payload in PAYLOADS]
    plain = make.task(project, prompt="x", tags=["a"], domain="b", language="c", gold="first")
    vote(plain, make.outside_annotator(project), rationale="y", standing=Standing.GOLD)
    before = elements(client.get(f"{address}/{plain.id}").text)

    full = make.task(project, tags=[text[:60] for text in texts], domain=texts[0], gold="first")
    db.get(Prompt, full.prompt_id).content = {"messages": [{"role": "user", "content": text} for text in texts]}
    fours = [texts[k : k + 4] for k in range(0, len(texts), 4)]
    for four in fours:
        vote(full, make.outside_annotator(project), rationale="\n".join(four), standing=Standing.GOLD)
    tasks = [full, *(make.task(project, responses=(*four, "one more")) for four in fours)]
    for task in tasks:
        page = client.get(f"{address}/{task.id}")
        assert page.status_code == 200
        added = elements(page.text) - before - {("a", "href"), ("a", "rel")}
        bad = {(tag, name) for tag, name in added if tag not in MARKDOWN or name.startswith(("on", "hx", "style"))}
        assert bad == set(), task.id


def test_who_may_see_a_task(browse, make, project, reviewer):
    task, foreign = make.task(project), make.task(make.project())
    annotator, stranger = make.member(project, Role.ANNOTATOR), make.user()
    for prefix in ("", "/api/v1"):
        address = f"{prefix}/projects/{project.id}/tasks/"
        people = (stranger, annotator, reviewer)
        assert [browse(user).get(f"{address}{task.id}").status_code for user in people] == [404, 403, 200]
        for wrong in (foreign.id, 0, -1, 10**25, "x", 999_999):
            assert browse(reviewer).get(f"{address}{wrong}").status_code == 404, wrong


def test_a_reviewer_sees_no_forms(browse, make, project, admin, reviewer):
    address = f"/projects/{project.id}/tasks/{make.task(project).id}"
    assert f"{address}/archive" in browse(admin).get(address).text
    assert f"{address}/archive" not in browse(reviewer).get(address).text


def test_the_api_tells_the_same(browse, make, project, admin, vote):
    task = make.task(project, gold=None, tags=["t"])
    vote(task, make.outside_annotator(project), Choice.SECOND, is_swapped=True)
    found = browse(admin).get(f"/api/v1/projects/{project.id}/tasks/{task.id}").json()
    assert found["votes"] == {"first": 0, "second": 1, "tie": 0, "both_bad": 0}
    assert [response["model"] for response in found["responses"]] == ["model-0", "model-1"]
    [judgement] = found["judgements"]
    assert (judgement["choice"], judgement["shown_left"], judgement["annotator_kind"]) == (
        "second",
        "second",
        "imported",
    )


def test_the_api_changes_a_task(browse, db, make, project, admin):
    client, task = browse(admin), make.task(project, overlap=1)
    address = f"/api/v1/projects/{project.id}/tasks/{task.id}"
    changed = client.patch(address, json={"priority": -7, "tags": ["a", " b ", "a"]}).json()
    assert (changed["priority"], changed["tags"]) == (-7, ["a", "b"])
    assert [event["action"] for event in changed["events"]] == ["task.set_tags", "task.set_priority"]
    assert client.patch(address, json={"status": "archived"}).json()["status"] == TaskStatus.ARCHIVED
    assert client.post(f"{address}/requeue", json={"judgements": 2}).json()["code"] == "task_archived"
    assert client.patch(address, json={"status": "open"}).json()["status"] == TaskStatus.OPEN
    assert client.post(f"{address}/requeue", json={"judgements": 2}).json()["n_target"] == 3
    gold = client.put(f"{address}/gold", json={"choice": "tie", "explanation": "Alike."}).json()
    assert (gold["kind"], gold["gold"]["choice"]) == ("gold", "tie")
    assert client.delete(f"{address}/gold").json()["kind"] == "regular"
    for wrong in ({}, {"priority": 101}, {"status": "done"}, {"n_target": 5}, {"tags": ["x" * 90]}):
        assert client.patch(address, json=wrong).status_code == 422, wrong


def test_the_api_lists_and_changes_many(browse, make, project, admin):
    client, address = browse(admin), f"/api/v1/projects/{project.id}/tasks"
    tasks = [make.task(project, tags=["t"]) for _ in range(3)]
    first = client.get(address, params={"tag": "t", "size": 2}).json()
    assert [item["id"] for item in first["items"]] == [task.id for task in tasks[:2]]
    assert (first["total"], first["is_capped"], first["previous_cursor"]) == (3, False, None)
    second = client.get(address, params={"tag": "t", "size": 2, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in second["items"]] == [tasks[2].id]
    assert second["next_cursor"] is None
    form = {"deed": "priority", "priority": 4, "scope": "matching", "filter": {"tag": "t"}, "expected": 3}
    assert client.post(f"{address}/bulk", json=form).json() == {"matched": 3, "changed": 3}
    assert client.post(f"{address}/bulk", json=form | {"expected": 1}).json()["code"] == "count_changed"
    surrogate = '{"deed": "add_tag", "tag": "a\\ud800b\\u0000", "ids": [999999999]}'
    answer = client.post(f"{address}/bulk", content=surrogate, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {"matched": 0, "changed": 0})
