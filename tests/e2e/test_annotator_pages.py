"""Every page of an annotator: no WCAG 2.2 AA violation, no text outside gettext, room for longer texts, both ways."""

from __future__ import annotations

from importlib.resources import files

import pytest

from tests.e2e.conftest import shoot
from tests.support import pseudo

pytestmark = pytest.mark.e2e

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
UNFOLD = "document.querySelectorAll('details:not(.menu, .content-warning)').forEach((one) => { one.open = true })"
PHONE = {"width": 390, "height": 844}


def visit(site, page, walk):
    """walk(name, page) on each page, with everything unfolded that can be."""
    for name, address in site.pages.items():
        page.goto(site.address + address)
        page.evaluate(UNFOLD)
        walk(name, page)


@pytest.mark.parametrize(
    ("look", "how"),
    [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": PHONE, "has_touch": True, "is_mobile": True}),
    ],
)
def test_axe_finds_no_violation(site, chromium, look, how):
    found = []

    def check(name, page):
        shoot(page, f"annotator-{name}-{look}")
        page.evaluate(AXE)
        result = page.evaluate(
            "(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })", TAGS
        )
        for violation in result["violations"]:
            where = [(node["target"], node["failureSummary"]) for node in violation["nodes"][:3]]
            found.append(f"{name}: {violation['id']}: {where}")

    with site.browse(chromium, **how) as context:
        visit(site, context.new_page(), check)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("locale", "width"), [(pseudo.LOCALE, 390), (pseudo.RIGHT_TO_LEFT, 1280), (pseudo.RIGHT_TO_LEFT, 390)]
)
def test_each_text_is_translated_and_has_room(site, chromium, locale, width):
    faults = []

    def check(name, page):
        shoot(page, f"annotator-{name}-{locale}-{width}")
        html = page.locator("html")
        if (html.get_attribute("lang"), html.get_attribute("dir")) != (locale, DIRECTION[locale]):
            faults.append((name, html.get_attribute("lang"), html.get_attribute("dir")))
        left = pseudo.untranslated(page.content())
        if left:
            faults.append((name, left))
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
            faults.append((name, "scrolls sideways"))

    with site.speaking(locale), site.browse(chromium, viewport={"width": width, "height": 844}) as context:
        visit(site, context.new_page(), check)
    assert not faults, "\n".join(map(str, faults))


DIRECTION = {pseudo.LOCALE: "ltr", pseudo.RIGHT_TO_LEFT: "rtl"}


def test_the_browsers_language_is_spoken_before_anybody_signs_in(site, chromium):
    with chromium.new_context(locale="he-IL") as context:
        page = context.new_page()
        page.goto(site.address + "/sign-in")
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert pseudo.untranslated(page.content()) == []
