"""A response in its three views."""

from __future__ import annotations

import re

import pytest

from app.web.render import environment
from app.web.responses import MAX_COMPARED, show
from tests.support.hostile import PAYLOADS
from tests.web.test_components import Page

TEMPLATE = (
    '{% from "components/response.html" import difference_switch, raw_switch, shown_response %}'
    "{{ difference_switch(texts) }}"
    "{% for text in texts %}{{ raw_switch(loop.index) }}{{ shown_response(text) }}{% endfor %}"
)


def shown(*texts: str, lang: str | None = None) -> str:
    return environment().from_string(TEMPLATE).render(texts=show(texts, lang=lang, image_label="image"))


def without_tags(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


def test_a_response_is_drawn_and_stands_there_as_it_was_written():
    html = shown("**a** <b>\n  $x$", lang="en")

    assert "<strong>a</strong> &lt;b&gt;" in html
    assert re.search(r'class="shown-raw[^>]*lang="en">\*\*a\*\* &lt;b&gt;\n  \$x\$</div>', html, re.DOTALL)
    assert "shown-difference" not in html


def test_answers_that_are_nearly_the_same_show_what_only_each_says():
    html = shown("It was *ten* miles from the sea.", "It was *two* miles from the sea.")
    first, second = re.findall(r'<div class="shown-difference.*?</div>', html, re.DOTALL)

    assert html.count('data-view="difference"') == 1
    assert re.search(r'It was \*<mark class="differs"><span class="visually-hidden">[^<]*</span>ten<span', first)
    assert "two" not in first
    assert "ten" not in second
    assert without_tags(second).endswith("It was *[only here: two end]* miles from the sea.")


def test_a_changed_line_break_is_seen():
    html = shown("one two three four\nfive", "one two three four five")

    assert "↵\n<span" in html


@pytest.mark.parametrize(
    "texts",
    [
        ("the same", "the same"),
        ("one thing", "quite another"),
        ("alone",),
        ("a b c d", "a b c e", "a b c f"),
        ("", ""),
        ("x" * (MAX_COMPARED // 2) + " a b c d e", "x" * (MAX_COMPARED // 2) + " a b c d f"),
    ],
    ids=["equal", "far", "alone", "three", "empty", "long"],
)
def test_other_answers_have_no_difference_to_show(texts):
    html = shown(*texts)

    assert 'data-view="difference"' not in html
    assert html.count('data-view="raw"') == len(texts)


def test_a_switch_has_a_label_of_its_own_and_is_sent_with_no_form():
    page = Page(shown("a b c d", "a b c e"))
    inputs = [attributes for tag, attributes in page.elements if tag == "input"]

    assert page.problems == []
    assert [attributes["type"] for attributes in inputs] == ["checkbox"] * 3
    assert all("name" not in attributes for attributes in inputs)


def test_hostile_text_stays_text_in_every_view():
    allowed = {"div", "span", "mark", "label", "input", "svg", "use"}
    for payload in PAYLOADS:
        near = "one two three four five six seven eight nine ten " * 12
        html = shown(near + payload.text + " a", near + payload.text + " b")
        html = re.sub(r'<div class="shown-drawn">.*?(?=<div class="shown-raw)', "", html, flags=re.DOTALL)
        page = Page(html)

        assert {tag for tag, _ in page.elements} <= allowed, payload.name
        names = {name for tag, attributes in page.elements for name in attributes if tag in {"div", "span", "mark"}}
        assert names <= {"class", "dir", "hx-ignore", "lang"}, payload.name
