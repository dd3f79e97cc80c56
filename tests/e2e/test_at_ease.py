"""What the desk does for the person at it: honest times, a pause, covered texts, guidelines that answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.annotator_site import QUESTION, WARNING
from tests.e2e.conftest import Watch

pytestmark = pytest.mark.e2e

# A page that can be hidden, and lose focus, by a word of the test.
STAGE = """
window.stage = { hidden: false, focus: true };
Object.defineProperty(Document.prototype, "hidden", { get: () => window.stage.hidden });
Document.prototype.hasFocus = () => window.stage.focus;
window.act = (hidden, focus) => {
  window.stage = { hidden, focus };
  document.dispatchEvent(new Event("visibilitychange"));
  window.dispatchEvent(new Event(focus ? "focus" : "blur"));
};
"""


@pytest.fixture
def desk(site, chromium):
    """desk(is_warned=False, script="", **context) -> a page at the desk, watched for faults."""
    contexts, watch = [], Watch(site.address)

    def opening(*, is_warned=False, script="", **how):
        context = site.browse(chromium, **how)
        contexts.append(context)
        page = context.new_page()
        watch.on(page)
        if script:
            page.clock.install()
            page.add_init_script(script)
        page.goto(site.address + (site.warned if is_warned else site.pages["desk"]))
        return page

    yield opening
    for context in contexts:
        context.close()
    assert watch.faults == []


def stay(page, seconds):
    page.clock.run_for(seconds * 1000)


def stir(page):
    """A sign of life that does nothing else."""
    page.evaluate("document.dispatchEvent(new PointerEvent('pointermove', { bubbles: true }))")


def test_time_is_idle_without_input_in_the_background_out_of_focus_and_in_a_pause(site, desk):
    page = desk(script=STAGE)
    stir(page)
    for _ in range(4):  # 20 s at work
        stay(page, 5)
        stir(page)
    stay(page, 45)  # nothing moved for 45 s: idle
    stir(page)
    for hidden, focus in ((True, True), (False, False)):  # another tab for 20 s; another window for 20 s
        page.evaluate("([hidden, focus]) => window.act(hidden, focus)", [hidden, focus])
        stay(page, 20)
        page.evaluate("window.act(false, true)")
    page.keyboard.press("p")
    stay(page, 20)
    page.keyboard.press("p")
    stay(page, 10)  # 10 s at work
    with page.expect_response("**/judge/*"):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
    [[active, idle]] = site.world.sql(
        "SELECT active_ms, idle_ms FROM annotation WHERE active_ms IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    assert active == pytest.approx(30_000, abs=3_000)
    assert idle == pytest.approx(105_000, abs=3_000)


def test_a_pause_covers_the_page_keeps_the_lease_and_says_how_long_it_lasts(site, desk):
    page = desk()
    page.keyboard.press("p")
    cover = page.get_by_role("dialog", name="Paused")
    expect(cover).to_contain_text("its turn ends in 30 minutes")
    box = cover.bounding_box()
    assert (box["width"], box["height"]) == (1280, 800)
    open_leases = "SELECT count(*) FROM assignment WHERE state = 'open' AND project_id = :project"
    assert site.world.value(open_leases, project=site.project) == 1
    page.evaluate(
        "document.querySelector('[data-desk]').dataset.leaseUntil = new Date(Date.now() - 1000).toISOString()"
    )
    expect(cover).to_contain_text("The turn of this task has ended")
    page.keyboard.press("1")  # keys of the desk do nothing under the cover
    page.keyboard.press("Enter")  # the button that continues has the focus
    expect(cover).to_be_hidden()
    assert page.locator("input[name=choice]:checked").count() == 0
    assert site.world.value(open_leases, project=site.project) == 1


@pytest.mark.parametrize("has_scripts", [True, False])
def test_warned_texts_are_neither_seen_nor_read_out_until_they_are_shown(desk, has_scripts):
    page = desk(is_warned=True, java_script_enabled=has_scripts)
    text = page.get_by_text("Somebody writes a long answer").first
    expect(page.get_by_text(WARNING)).to_be_visible()
    expect(text).to_be_hidden()
    if has_scripts:
        page.keyboard.press("w")
    else:
        page.locator(".content-warning summary").click()
    expect(text).to_be_visible()


def test_whoever_does_not_want_covers_sees_the_texts_at_once(site, desk):
    site.world.sql('UPDATE "user" SET covers_warned = false')
    page = desk(is_warned=True)
    expect(page.get_by_text("Somebody writes a long answer").first).to_be_visible()
    site.world.sql('UPDATE "user" SET covers_warned = true')


def test_beside_the_task_one_searches_and_asks_and_loses_nothing(site, desk):
    page = desk()
    page.keyboard.press("r")
    page.keyboard.type("My reason so far")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    panel = page.locator("#guidelines-text")
    panel.get_by_text(QUESTION).click()
    expect(panel.get_by_text("A small one does.")).to_be_visible()
    panel.get_by_role("searchbox").fill("facts")
    expect(panel.get_by_role("status")).to_contain_text("1 clause has these words.")
    expect(panel.locator("mark")).to_have_text(["Facts"])
    expect(panel.get_by_text("Be kind")).to_be_hidden()
    panel.get_by_text("Ask about the guidelines").click()
    panel.get_by_label("Which clause?").select_option(label="⟦Tone⟧")
    panel.get_by_label("Your question").fill("What of sarcasm?")
    panel.get_by_role("button", name="Send the question").click()
    expect(panel.get_by_text("Your question was sent.")).to_be_visible()
    assert page.locator("#rationale").input_value() == "My reason so far"
    [[anchor, clause]] = site.world.sql("SELECT anchor, clause FROM guideline_question WHERE text = 'What of sarcasm?'")
    assert (anchor, clause) == ("clause-tone", "⟦Tone⟧")


def test_without_scripts_the_guidelines_are_searched_on_their_own_page(site, chromium):
    with site.browse(chromium, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.address + site.pages["guidelines"])
        page.get_by_role("searchbox").fill("kind")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#guide-clauses mark").first).to_have_text("kind")
        expect(page.get_by_text("Facts come before")).to_have_count(0)


def test_the_way_of_reading_holds_everywhere(site, chromium):
    with site.browse(chromium) as context:
        page = context.new_page()
        page.goto(site.address + "/account")
        before = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
        for label in ("Very large", "Narrow", "As little as possible"):
            page.get_by_label(label).check()
        page.locator("#reading").get_by_role("button", name="Save").click()
        page.goto(site.address + site.pages["desk"])
        assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 1.3 * before
        assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--slow')") == "0ms"
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    site.world.sql("UPDATE \"user\" SET text_size = 'm', reading_width = 'm', motion = 'auto'")
