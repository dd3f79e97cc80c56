"""What Markdown becomes: readable, harmless, bounded, and the same every time."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from app.web import highlight, latex, markdown
from app.web.markdown import render, render_inline_text
from tests.support.hostile import PAYLOADS

ALLOWED = {
    **latex.ATTRIBUTES,
    "a": {"href", "title", "target", "rel"},
    "blockquote": {"dir"},
    "code": {"class", "dir"},
    "div": {"class", "dir", "tabindex"},
    **{tag: {"dir"} for tag in ("h3", "h4", "h5", "h6", "p", "table", "ul")},
    "mrow": {"class"},
    "mtd": {"class"},
    "ol": {"start", "dir"},
    "pre": {"class", "dir"},
    "span": {"class", "dir", "tabindex"},
    "td": {"class", "dir"},
    "th": {"class", "dir"},
}
CLASSES = (
    {"md", "md-plain", "md-image", "md-align-start", "md-align-center", "md-align-end"}
    | {"md-code", "md-code-language", "md-formula", "md-scroll"}
    | {"math-box", "math-strike", "math-left", "math-right"}
    | highlight.CLASSES
)
SHEET = Path(__file__).resolve().parents[2] / "static" / "css" / "highlight.css"


class Reader(HTMLParser):
    """Collects tags, links and text, and refuses whatever is not allowed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        assert tag in markdown.TAGS, tag
        self.tags.append(tag)
        values = dict(attrs)
        assert len(values) == len(attrs)
        assert set(values) <= ALLOWED.get(tag, set()), (tag, attrs)
        if tag == "a" and "href" in values:
            assert re.match(r"https?://[^/\\]|mailto:[^@]+@", values["href"], re.IGNORECASE), values["href"]
            assert values["rel"] == "noopener noreferrer nofollow"
            assert values["target"] == "_blank"
            self.links.append(values["href"])
        assert set((values.get("class") or "").split()) <= CLASSES
        assert values.get("dir", "auto") in {"auto", "ltr", "rtl"}
        assert values.get("tabindex", "0") == "0"

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        pytest.fail(f"a comment: {data}")

    def handle_decl(self, decl):
        pytest.fail(f"a declaration: {decl}")

    def handle_pi(self, data):
        pytest.fail(f"a processing instruction: {data}")


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(str(html))
    reader.close()
    return reader


def test_there_are_enough_hostile_payloads_and_each_has_its_own_name():
    assert len(PAYLOADS) >= 300
    assert len({payload.name for payload in PAYLOADS}) == len(PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_a_hostile_payload_becomes_only_allowed_tags_attributes_and_schemes(payload):
    html = render(payload.text)

    read(html)
    inside = re.sub(r'^<div class="md" dir="(auto|ltr|rtl)">', "", html).removesuffix("</div>")
    assert markdown._cleaner.clean(inside) == inside
    html.encode("utf-8")


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_hostile_plain_text_is_only_text_and_line_breaks(payload):
    reader = read(render_inline_text(payload.text))

    assert set(reader.tags) <= {"span", "br"}


@pytest.mark.parametrize("wall", ["parser", "sanitiser"])
def test_each_wall_alone_keeps_scripts_handlers_and_foreign_schemes_out(wall):
    for payload in PAYLOADS:
        if wall == "parser":
            text = payload.text.encode("utf-8", "replace").decode()
            html = markdown._parser.render(text, markdown.new_environment("image"))
        else:
            html = markdown._cleaner.clean(payload.text.encode("utf-8", "replace").decode())
        tags = set(re.findall(r"<\s*([a-z][a-z0-9]*)", html, re.IGNORECASE))
        assert tags <= markdown.TAGS, (payload.name, html)
        assert not re.search(r"<[^>]*\s(on\w+|hx-[\w:]+|style|id|src|srcset)\s*=", strip_quoted(html)), (
            payload.name,
            html,
        )
        assert not re.search(r"href=\"(?!https?://|mailto:|\")", html, re.IGNORECASE), (payload.name, html)


def strip_quoted(html: str) -> str:
    return re.sub(r'"[^"]*"', '""', html)


@given(
    st.text(st.characters(codec=None), max_size=300)
    | st.text(st.sampled_from("<>[]()!`*_~#|-\n \"'&;:/aj\\="), max_size=300)
)
@settings(max_examples=150, deadline=None)
def test_any_text_gives_only_allowed_html(text):
    read(render(text))
    read(render_inline_text(text))


def test_html_stays_visible_as_the_text_it_was():
    reader = read(render("<b>bold</b> & <script>x</script>"))

    assert reader.text.strip() == "<b>bold</b> & <script>x</script>"
    assert set(reader.tags) == {"div", "p"}


def test_common_markdown_has_its_elements():
    html = render("# T\n\n*a* **b** ~~c~~ `d`\n\n1. x\n2. y\n\n- z\n\n> q\n\n---\n\n| a | b |\n|:--|:-:|\n| 1 | 2 |\n")

    assert {"h3", "em", "strong", "s", "code", "ol", "ul", "li", "blockquote", "hr", "table", "th", "td"} <= set(
        read(html).tags
    )
    assert '<td class="md-align-start" dir="auto">1</td>' in html
    assert '<td class="md-align-center" dir="auto">2</td>' in html


def test_it_is_markup_in_a_wrapper():
    html = render("12")

    assert isinstance(html, Markup)
    assert html == '<div class="md" dir="auto"><p dir="auto">12</p>\n</div>'


def test_a_paragraph_finds_its_own_direction_and_the_whole_has_that_of_its_first_letter():
    html = render("שלום\n\nhello")

    assert html == '<div class="md" dir="rtl"><p dir="auto">שלום</p>\n<p dir="auto">hello</p>\n</div>'


@pytest.mark.parametrize(
    ("text", "tag"),
    [("- 1. مرحبا\n- a", "ul"), ("1. مرحبا", "ol"), ("> مرحبا", "blockquote"), ("| مرحبا |\n|--|\n| a |", "table")],
)
def test_lists_quotes_and_tables_have_the_direction_of_their_first_letter(text, tag):
    assert f'<{tag} dir="rtl"' in render(text)
    assert f'<{tag} dir="ltr"' in render(text.replace("مرحبا", "hello"))


def test_each_list_has_a_direction_of_its_own():
    html = render("- مرحبا\n\ntext\n\n- hello")

    assert html.index('<ul dir="rtl">') < html.index('<ul dir="ltr">')


def test_code_and_formulas_run_from_left_to_right_and_decide_nothing():
    html = render("`x = 1` $y$ שלום")

    assert html.startswith('<div class="md" dir="rtl">')
    assert '<code dir="ltr">' in html
    assert '<math dir="ltr"' in html


def test_a_table_scrolls_in_a_box_that_the_keyboard_reaches():
    html = render("a|b\n-|-\n1|2\n\nafter")

    assert re.search(r'<div class="md-scroll" tabindex="0"><table dir="ltr">.*</table>\s*</div>', html, re.DOTALL)
    assert html.endswith('<p dir="auto">after</p>\n</div>')


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ("py", "Python"),
        ("c++", "C++"),
        ("go", "Go"),
        ("mermaid", "mermaid"),
        ("c#", "C#"),
        ("x" * 25, None),
        ('"><b', None),
        ("", None),
    ],
)
def test_code_names_its_language(info, label):
    found = re.search(r'<span class="md-code-language" dir="ltr">(.*?)</span>', render(f"```{info}\nx\n```"))

    assert (found[1] if found else None) == label


def test_headings_leave_the_first_two_levels_to_the_page():
    assert [tag for tag in read(render("# a\n\n## b\n\n###### c\n\nd\n===")).tags if tag[0] == "h"] == [
        "h3",
        "h4",
        "h6",
        "h3",
    ]


def test_single_line_breaks_are_kept():
    assert render("a\nb") == '<div class="md" dir="ltr"><p dir="auto">a<br>\nb</p>\n</div>'


def test_a_list_keeps_the_number_it_starts_from():
    assert '<ol start="3" dir="ltr">' in render("3. x\n4. y")


def test_an_image_becomes_a_link_to_it_and_never_loads():
    html = render('![a "cat"](https://a.example/c.png)')

    assert read(html).links == ["https://a.example/c.png"]
    assert read(html).text.strip() == '[image: a "cat"]'


def test_an_image_without_alt_text_in_a_link_leaves_the_link_alone():
    html = render("[![](https://a.example/c.png)](https://b.example/)", image_label="picture")

    assert read(html).links == ["https://b.example/"]
    assert read(html).text.strip() == "[picture]"


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.example/x?y=1#z", True),
        ("HTTP://a.example", True),
        ("mailto:a@b.example", True),
        ("https:sign-out", False),
        ("https:/sign-out", False),
        ("https:///sign-out", False),
        ("https:\\\\a.example", False),
        ("//a.example", False),
        ("/sign-out", False),
        ("javascript:alert(1)", False),
        (" https://a.example", False),
        ("https://a.example\n", False),
        ("mailto:", False),
    ],
)
def test_only_absolute_web_and_mail_addresses_are_links(address, safe):
    assert markdown.is_safe_link(address) is safe


def test_code_is_coloured_by_classes_and_keeps_every_character():
    code = 'def f(x):\n    return "a<b" + x  # why & how\n\n\n'
    html = render(f"```python\n{code}```")

    assert '<span class="hl-keyword">def</span>' in html
    assert read(html).text.strip("\n") == "Python" + code.strip("\n")
    assert "style" not in html


@pytest.mark.parametrize("language", sorted(set(highlight.LANGUAGES.values())))
def test_every_language_has_a_lexer_that_keeps_the_text(language):
    code = "\n\nint x = \"<&>\"; // 'q' <!-- \n{% a %} $x `y` @z #w\n  \t end\n"
    coloured = highlight.to_html(code, language)

    assert coloured is not None
    assert read(coloured).text == code


@pytest.mark.parametrize("info", ["", "nonsense", "python3000", '"><script>', "../../etc", "a" * 10_000])
def test_an_unknown_language_is_shown_plain(info):
    assert highlight.to_html("x = 1", info) is None
    assert "x = 1" in read(render(f"```{info}\nx = 1\n```")).text


@pytest.mark.parametrize(
    "code",
    ["x = 1\n" * 1_001, "x" * 401, "a" + " " * 100, '\\"' * 201],
    ids=["long", "wide", "blank", "escaped-quotes"],
)
def test_code_beyond_the_limits_is_shown_plain(code):
    assert highlight.to_html(code, "python") is None
    assert "hl-" not in render(f"```python\n{code}\n```")


def test_colours_stop_when_the_budget_of_the_text_is_spent():
    block = "```python\n" + "x = 11111\n" * 540 + "```\n"
    html = render(block * 6)

    assert html.count("<pre") == 6
    assert html.count("hl-number") == 540 * (markdown.MAX_HIGHLIGHTED // 5_400)


def test_a_paragraph_with_too_many_marks_stays_as_written_and_the_next_does_not():
    html = render("*a* " * 10_001 + "\n\n*b*")

    assert html.count("<em>") == 1
    assert read(html).text.startswith("*a* *a*")


def test_emphasis_does_not_nest_without_end():
    html = render("*a **b " * 20 + "c" + " b** a*" * 20)

    assert html.count("<em>") + html.count("<strong>") == markdown.MAX_EMPHASIS
    assert html.count("<em>") == html.count("</em>")
    assert html.count("<strong>") == html.count("</strong>")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_001,
        "a\n" * 5_001,
        "a|b\n-|-\n" + "|" * 20_001,
        "a" + "|a" * 90 + "\n-" + "|-" * 90 + "\n" + "a\n" * 230,
        "> " * 19 + "a",
        "> " * 200 + "a",
        "- " * 40 + "a",
        ("> > > - a\n") * 4_000,
    ],
    ids=["long", "lines", "cells", "short rows", "deep", "deeper", "deep list", "containers"],
)
def test_a_text_with_too_much_structure_is_plain_and_whole(text):
    html = render(text)

    assert html.startswith('<div class="md" dir="auto"><pre class="md-plain" dir="auto">')
    assert read(html).text == text


N = 50_000
PATHOLOGICAL = {
    "open brackets": "[" * N,
    "bracket pairs": "[" * N + "]" * N,
    "image openers": "![" * N,
    "link openers": "[a](" * N,
    "links": "[a](http://b)" * 15_000,
    "nested links": "[" * N + "a" + "](http://b)" * 10_000,
    "nested images": "![" * N + "a" + "](http://b)" * 9_000,
    "quotes": ">" * N,
    "spaced quotes": "> " * N,
    "quote lines": (">" * 39 + "a\n") * 5_000,
    "backticks": "`" * N,
    "backtick runs": "".join("a" + "`" * i for i in range(1, 600)),
    "asterisks": "*" * N,
    "asterisk words": "*a " * N,
    "word asterisks": "a**b" * N,
    "mixed emphasis": "*_" * N,
    "crossed emphasis": "*a **a " * 20_000,
    "tildes": "~~a" * N,
    "dashes": "- " * N,
    "nested lists": ("- " * 19 + "a\n") * 5_000,
    "nested quotes and lists": ("> - " * 9 + "a\n") * 5_000,
    "table": "a|b\n-|-\n" + "a|b\n" * N,
    "short rows": "|".join("a" * 90) + "\n" + "|".join("-" * 90) + "\n" + "a\n" * 4_990,
    "autolinks": "<a:" * N,
    "comments": "<!--" * N,
    "entities": "&#x" * N,
    "escapes": "\\" * 4 * N,
    "references": "[a\n" * N,
    "definitions": "".join(f"[a{i}]: http://u\n" for i in range(4_900)) + "[a1]" * 5_000,
    "definition titles": "[a]: x '\n" * 4_900,
    "fences": "```\n" * N,
    "escaped quotes in code": ("```js\n" + '\\"' * 199 + "\n```\n") * 300,
    "java words": ("```java\n" + ("a b " * 50 + "\n") * 12 + "```\n") * 20,
    "blank lines": "\n" * 4 * N,
    "spaces": " " * 4 * N,
    "words": "word " * 40_000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pathological_text_takes_a_bounded_number_of_calls(name):
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    text = PATHOLOGICAL[name][: markdown.MAX_CHARACTERS]
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        html = markdown._render(text, "image")
    finally:
        sys.setprofile(before)

    assert calls < 1_500_000
    assert len(html) < 15 * markdown.MAX_CHARACTERS
    read(html)


def test_the_same_text_is_rendered_once(monkeypatch):
    monkeypatch.setattr(markdown, "_cache", markdown._Cache(100_000))
    first = render("*once*")
    monkeypatch.setattr(markdown, "_render", lambda *_: pytest.fail("rendered again"))

    assert render("*once*") == first


def test_the_label_of_images_is_part_of_what_is_remembered():
    assert render("![a](http://b.example)") != render("![a](http://b.example)", image_label="Bild")


def test_the_cache_forgets_the_least_recently_used_within_its_bytes():
    cache = markdown._Cache(2_500)
    cache.put(b"1", "a" * 200)
    cache.put(b"2", "b" * 200)
    cache.get(b"1")
    cache.put(b"3", "c" * 200)
    cache.put(b"4", "d" * 10_000)

    assert cache.get(b"4") is None
    assert cache.size <= 2_500

    cache.put(b"1", "a" * 200)
    cache.put(b"2", "b" * 200)
    cache.get(b"1")
    cache.put(b"3", "c" * 200)
    assert [cache.get(key) is not None for key in (b"1", b"2", b"3")] == [True, False, True]


def test_plain_text_keeps_its_line_breaks():
    assert render_inline_text("a<b\r\nc\rd\n\0") == '<span dir="auto">a&lt;b<br>c<br>d<br>\ufffd</span>'


def test_the_stylesheet_is_the_one_that_the_code_writes():
    assert SHEET.read_text() == highlight.stylesheet()


@pytest.mark.parametrize(("theme", "background"), [(0, "#f3f4f6"), (1, "#23272e")])
def test_every_colour_can_be_read_on_its_background(theme, background):
    for role, colours in highlight._COLOURS.items():
        assert contrast(colours[theme], background) >= 4.5, role


def test_every_class_has_a_colour():
    assert {f"hl-{role}" for role in highlight._COLOURS} == highlight.CLASSES


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
