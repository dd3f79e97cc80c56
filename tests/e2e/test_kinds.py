"""Each kind of judgement in a real browser, by the keyboard alone; and the same without JavaScript."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from app.models import Membership, Prompt, Role, Task
from app.projects.definitions import AnswerSchema, Comparison, Likert, NoOverall, Policy, Ranking, Tags
from tests.e2e.conftest import shoot
from tests.integrity.conftest import world
from tests.integrity.web import cookie, sign_in, web
from tests.support.browsing import VISIT
from tests.support.factories import Factory

pytestmark = pytest.mark.e2e
__all__ = ["world"]

HELPFUL = Likert(key="helpful", name="How helpful is it?", low="no help", high="a great help")
SAFER = Comparison(key="safer", name="Which is safer?")
ANSWERS = (
    "Air scatters short waves more than long ones, so blue light reaches us **from all sides**.",
    "Because it mirrors the sea.",
    "The sky has no colour of its own.\n\n1. Sunlight holds all colours.\n2. The air scatters blue the most.",
    "I do not know.",
)
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the weather in Bonn?"},
    {"role": "assistant", "content": "I will look."},
    {"role": "tool", "content": '{"sky": "blue"}'},
    {"role": "user", "content": "And why is it blue?"},
]


@pytest.fixture
def judge(world, chromium):
    """judge(schema, tasks, **context) -> a page at the desk of a fresh project with these tasks of responses."""
    people = world.people(1)
    sign_in(world, people)
    contexts, faults = [], []
    with web(world) as [address], Session(world.engine) as session:
        make = Factory(session)

        def opening(schema, *tasks, messages=None, documents=None, **how):
            project = make.project(policy=Policy(overlap=1, gold_rate=0.0), schema=schema, name="Blue skies")
            session.add(Membership(project_id=project.id, user_id=people[0].user_id, role=Role.ADMIN))
            for responses in tasks:
                task = make.task(project, prompt="Why is the sky blue?", responses=responses, n_compared=len(responses))
                prompt = session.get_one(Prompt, session.get_one(Task, task.id).prompt_id)
                if messages:
                    prompt.content = {"messages": messages}
                if documents:
                    prompt.meta = {"documents": documents}
            make.commit()
            context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})
            context.set_default_timeout(15_000)
            context.add_cookies(
                [
                    {"name": name, "value": value, "url": address}
                    for name, value in (("accord_visit", VISIT), ("accord_session", cookie(people[0])))
                ]
            )
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
            page.goto(f"{address}/projects/{project.id}/judge")
            return page

        yield opening
        for context in contexts:
            context.close()
    assert faults == []


def answers(world):
    """What was said, with letters put back in the place of ids: (choice, strength, answer) of each annotation."""
    return [
        tuple(row)
        for row in world.sql("SELECT choice, strength, answer, shown_order, task_id FROM annotation ORDER BY id")
    ]


def letters_of(world, task_id, shown_order):
    ids = [
        row.response_id
        for row in world.sql("SELECT response_id FROM task_response WHERE task_id = :t ORDER BY position", t=task_id)
    ]
    return {ids[position]: letter for position, letter in zip(shown_order, "ABCDEFGHI", strict=False)}


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def send(page, n=1):
    press(page, "Enter")
    page.get_by_text(f"judgements today, {n} in all" if n > 1 else "judgement today, 1 in all").wait_for()


def test_a_ranking_by_the_keyboard_alone(world, judge):
    page = judge(AnswerSchema(overall=Ranking()), ANSWERS, ANSWERS)
    shoot(page, "ranking-empty")
    press(page, "Enter")  # an untouched order is no answer
    assert answers(world) == []
    press(page, "Escape")  # out of the list that the browser points at
    press(page, "3", "1", "4", "2")  # C A D B
    press(page, "Alt+ArrowUp")  # C A B D
    press(page, "1", "=")  # C=A B D
    shoot(page, "ranking")
    send(page)
    [(choice, strength, answer, shown, task_id)] = answers(world)
    letters = letters_of(world, task_id, shown)
    assert (choice, strength) == (None, 0)
    assert [sorted(letters[one] for one in tied) for tied in answer["ranking"]] == [["A", "C"], ["B"], ["D"]]
    assert world.value("SELECT count(*) FROM preference") == 6
    press(page, "u")
    page.get_by_text("You are changing a judgement").wait_for()
    page.reload()
    assert page.locator("[data-rank-said]").text_content() == ("A is as good as C is better than B is better than D")
    press(page, "4", "Alt+ArrowUp", "Alt+ArrowUp", "Enter")
    page.get_by_text("Your change was saved.").wait_for()
    _first, (_c, _s, answer, shown, task_id) = answers(world)
    letters = letters_of(world, task_id, shown)
    assert [sorted(letters[one] for one in tied) for tied in answer["ranking"]] == [["D"], ["A", "C"], ["B"]]


def test_a_ranking_without_javascript(world, judge):
    page = judge(AnswerSchema(overall=Ranking()), ANSWERS, java_script_enabled=False)
    shoot(page, "ranking-plain")
    for letter, place in zip("ABCD", "2113", strict=True):
        page.get_by_label(f"Place of response {letter}").select_option(place)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("judgement today, 1 in all").wait_for()
    [(_c, _s, answer, shown, task_id)] = answers(world)
    letters = letters_of(world, task_id, shown)
    assert [sorted(letters[one] for one in tied) for tied in answer["ranking"]] == [["B", "C"], ["A"], ["D"]]


FULL = AnswerSchema(
    criteria=(HELPFUL, SAFER), tags=Tags(names=("rude", "wrong")), rationale="optional", edit="optional"
)


def test_criteria_tags_and_an_edit_by_the_keyboard_alone(world, judge):
    page = judge(FULL, ANSWERS[:2], documents=["The sky is blue.", {"title": "Rayleigh", "text": "It *scatters*."}])
    shoot(page, "criteria-empty")
    press(page, "6")  # B better
    page.locator("input[name='tag.A.0']").focus()
    press(page, "Space", "Tab", "Tab", "Tab", "Tab")  # to the points of A
    press(page, "2", "Tab", "5", "Tab", "2")  # two points for A, five for B, B is safer
    press(page, "e")
    page.keyboard.type(" And 1 2 3 more.")
    shoot(page, "criteria")
    press(page, "Control+Enter")
    page.get_by_text("judgement today, 1 in all").wait_for()
    [(_choice, strength, answer, _shown, _task)] = answers(world)
    assert strength == 2
    [better, worse] = sorted(answer["ratings"]["helpful"], key=lambda one: -answer["ratings"]["helpful"][one])
    assert answer["ratings"] == {"helpful": {better: 5, worse: 2}}
    assert answer["comparisons"] == {"safer": int(better)}
    assert answer["response_tags"] == {worse: ["rude"]}
    assert answer["edit"]["source"] == int(better)
    assert "And 1 2 3 more." in answer["edit"]["text"]
    found = world.sql("SELECT criterion, abs(signed_strength), strength_steps FROM preference ORDER BY id")
    assert [tuple(row) for row in found] == [("overall", 2, 3), ("helpful", 3, 4), ("safer", 1, 1), ("edit", 1, 1)]


def test_criteria_without_javascript_and_a_refused_form_keeps_everything(world, judge):
    page = judge(FULL, ANSWERS[:2], java_script_enabled=False)
    page.locator("input[value=a3]").check(force=True)
    page.get_by_label("How helpful is it?, response A").get_by_label("4 of 5").check(force=True)
    page.locator(".edit summary").click()
    page.get_by_label("Your better response").fill("Mine.")
    page.locator("form#choice-form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Rate “How helpful is it?” for response B too.").wait_for()
    assert page.get_by_label("Your better response").input_value() == "Mine."
    page.get_by_label("How helpful is it?, response B").get_by_label("1 of 5").check(force=True)
    page.get_by_label("No difference").check(force=True)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("judgement today, 1 in all").wait_for()
    [(_choice, strength, answer, _shown, _task)] = answers(world)
    assert (strength, sorted(answer["ratings"]["helpful"].values())) == (3, [1, 4])
    assert (answer["comparisons"], answer["edit"]["text"]) == ({"safer": "tie"}, "Mine.")


def test_a_bare_prompt_is_answered_and_a_reload_keeps_what_was_typed(world, judge):
    page = judge(AnswerSchema(overall=NoOverall(), demonstration=True), (), ())
    shoot(page, "demonstration-empty")
    press(page, "Tab")
    page.get_by_label("Your answer").focus()
    page.keyboard.type("Because 1 and 2, s and f: the air scatters it.")
    page.reload()
    shoot(page, "demonstration")
    page.get_by_label("Your answer").focus()
    press(page, "Control+Enter")
    page.get_by_text("judgement today, 1 in all").wait_for()
    assert page.get_by_label("Your answer").input_value() == ""
    [(choice, _strength, answer, _shown, _task)] = answers(world)
    assert (choice, answer) == (None, {"demonstration": "Because 1 and 2, s and f: the air scatters it."})


def test_a_conversation_is_folded_but_for_its_last_turn(world, judge):
    page = judge(AnswerSchema(), ANSWERS[:2], messages=CONVERSATION)
    shoot(page, "conversation")
    assert not page.get_by_text("Be brief.").is_visible()
    assert page.get_by_text("And why is it blue?").is_visible()
    press(page, "c")
    page.get_by_text("Be brief.").wait_for()
    shoot(page, "conversation-open")
    press(page, "2")
    send(page)
    assert answers(world)[0][1] == 2


@pytest.mark.parametrize("look", ["phone", "dark"])
def test_pictures_of_each_kind(judge, look):
    how = {"viewport": {"width": 390, "height": 844}} if look == "phone" else {"color_scheme": "dark"}
    kinds = {
        "ranking": (AnswerSchema(overall=Ranking()), ANSWERS),
        "criteria": (FULL, ANSWERS[:2]),
        "demonstration": (AnswerSchema(overall=NoOverall(), demonstration=True), ()),
        "ratings": (AnswerSchema(overall=NoOverall(), criteria=(HELPFUL,)), ANSWERS),
    }
    for name, (schema, responses) in kinds.items():
        page = judge(schema, responses, **how)
        shoot(page, f"{name}-{look}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_schema_page_shows_what_it_makes(judge, world):
    page = judge(AnswerSchema())
    page.goto(page.url.replace("/judge", "/schema"))
    page.get_by_label("A ranking").check()
    page.locator("[name='criterion.0.name']").fill("How helpful is it?")
    page.locator("[name='criterion.0.high']").fill("very")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("nothing is saved yet").wait_for()
    shoot(page, "schema-preview")
    page.get_by_role("button", name="Save as version 2").click()
    page.get_by_text("The schema is saved.").wait_for()
    body = world.value("SELECT definition FROM schema_version WHERE number = 2")
    assert body["overall"] == {"kind": "ranking", "allows_tie": True}
    assert [(each["key"], each["high"]) for each in body["criteria"]] == [("how_helpful_is_it", "very")]
