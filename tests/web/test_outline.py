"""Guidelines by clause: anchors, contents and search over cleaned HTML."""

from __future__ import annotations

import re

from app.web import markdown
from app.web.outline import clauses, search
from tests.support.hostile import PAYLOADS

TEXT = """Read this first.

# What counts

Facts & **kindness**.

## What counts

> # A heading in a quote
> is no clause

# Über *Höflichkeit*

Be polite.

# 安全

# !!!
"""


def parts(text):
    return clauses(markdown.render(text))


def test_a_text_is_cut_at_its_own_headings_and_each_has_an_anchor_of_its_own():
    found = parts(TEXT)
    assert [(one.anchor, one.title, one.level) for one in found] == [
        ("", "", 3),
        ("clause-what-counts", "What counts", 3),
        ("clause-what-counts-2", "What counts", 4),
        ("clause-über-höflichkeit", "Über Höflichkeit", 3),
        ("clause-安全", "安全", 3),
        ("clause-", "!!!", 3),
    ]
    assert found[3].heading == "Über <em>Höflichkeit</em>"
    assert "A heading in a quote" in found[2].body
    assert parts("plain")[0].body == '<div class="md" dir="auto"><p dir="auto">plain</p></div>'
    assert parts("") == ()


def test_an_anchor_stays_while_the_text_around_it_changes():
    assert [one.anchor for one in parts("# New\n\n# Old\n\nother words")][1] == parts("# Old")[0].anchor


def test_a_search_keeps_the_clauses_with_every_word_and_marks_them():
    found = search(parts(TEXT), "KIND facts")
    assert [one.title for one in found] == ["What counts"]
    assert "<mark>Facts</mark> &amp; <strong><mark>kind</mark>ness</strong>" in found[0].body
    assert search(parts(TEXT), "facts polite") == ()
    assert search(parts(TEXT), "  ") == parts(TEXT)
    assert search(parts(TEXT), "amp facts") == ()


def test_searching_breaks_no_tag_and_no_entity():
    html = search(parts("# A\n\n[link](https://a.example/strong) & strong <x>"), "a strong")[0].body
    assert 'href="https://a.example/strong"' in html
    assert "&amp;" in html
    assert "&lt;x&gt;" in html


def test_nothing_is_added_to_hostile_text_but_marks():
    for payload in PAYLOADS:
        html = markdown.render(payload.text + "\n\n# " + payload.text.replace("\n", " "))
        found = clauses(html)
        for one, before in zip(search(found, "a"), [one for one in found if "a" in one.text.casefold()], strict=True):
            assert re.fullmatch(r"[\w-]*", one.anchor)
            assert re.sub("</?mark>", "", one.body) == before.body
            assert re.sub("</?mark>", "", one.heading) == before.heading
            assert before.heading in html
            assert before.body.removeprefix('<div class="md" dir="auto">').removesuffix("</div>") in html
