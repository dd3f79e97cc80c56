"""The look's rules, checked on every component in every state: labels, ids, strict CSP, logical CSS, contrast."""

from __future__ import annotations

import math
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from app.web import responses
from app.web.render import STATIC, TEMPLATES, environment

VIEWER = SimpleNamespace(
    id=1,
    name="Ada Lovelace",
    pseudonym="quiet-heron",
    is_instance_admin=True,
    theme="auto",
    text_size="m",
    reading_width="m",
    motion="auto",
    covers_warned=True,
)
REQUEST = SimpleNamespace(url=SimpleNamespace(path="/gallery"), state=SimpleNamespace(request_id="r-1"))


def show(names: list[str], lang: str | None) -> list[responses.ShownText]:
    """The gallery's texts, as the desk shows responses."""
    texts = [(TEMPLATES / "gallery" / "texts" / f"{name}.md").read_text().strip() for name in names]
    return responses.show(texts, lang=lang, image_label="image")


CONTEXT = {"request": REQUEST, "viewer": VIEWER, "csrf_token": "t" * 64, "nav": [], "unread_count": 2, "show": show}
PAGES = {
    "gallery": ("gallery.html", {}),
    "desk": ("gallery/desk.html", {}),
    "desk shown again": ("gallery/desk.html", {"shown_again": True, "guidelines_open": True}),
    "desk with one strength": ("gallery/desk.html", {"steps": 1}),
    "desk with two strengths": ("gallery/desk.html", {"steps": 2}),
    "desk with four strengths": ("gallery/desk.html", {"steps": 4, "post_target": "#task"}),
    "desk with near-identical answers": ("gallery/desk.html", {"near": True}),
    "plain": ("gallery/plain.html", {"viewer": None}),
    "not found": ("errors/error.html", {"status": 404, "sentence": "There is no such task."}),
    **{
        f"kept form, {code}": (
            "errors/kept_form.html",
            {
                "problem": SimpleNamespace(code=code),
                "status": 401,
                "sentence": "Your sign-in ended.",
                "kept": [("choice", "a2"), ("old_password", "correct-horse-battery")],
                "action": "/a",
            },
        )
        for code in ("sign_in_required", "consent_required", "csrf_failed")
    },
}


class Page(HTMLParser):
    """What the checks need to know of a page: its elements, ids, labels and the inputs that stand inside a label."""

    VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: list[tuple[dict[str, str], list[str]]] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.problems += [f"<{tag}> has {name} twice" for name, times in Counter(names).items() if times > 1]
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self.inside.append((attributes, list(self._open)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self._open[-1] if self._open else 'nothing'}")
        else:
            self._open.pop()


@pytest.fixture(params=PAGES, scope="module")
def page(request: pytest.FixtureRequest) -> Page:
    template, context = PAGES[request.param]
    return Page(environment().get_template(template).render({**CONTEXT, **context}))


def test_markup_nests_and_names_each_attribute_once(page: Page) -> None:
    assert page.problems == []


def test_every_input_has_a_label(page: Page) -> None:
    labelled = {attributes["for"] for tag, attributes in page.elements if tag == "label" and "for" in attributes}
    bare = [
        attributes
        for (tag, attributes), (_, ancestors) in zip(page.elements, page.inside, strict=True)
        if tag in ("input", "select", "textarea")
        and attributes.get("type") != "hidden"
        and attributes.get("id") not in labelled
        and "label" not in ancestors
        and "aria-label" not in attributes
    ]
    assert bare == []


def test_labels_and_descriptions_point_at_something(page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    pointed = {
        target
        for _, attributes in page.elements
        for name in ("for", "aria-labelledby", "aria-describedby", "form", "data-dialog", "data-toggle", "data-copy")
        for target in attributes.get(name, "").split()
    }
    assert pointed - ids == set()


def test_ids_are_unique(page: Page) -> None:
    counts = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [name for name, times in counts.items() if times > 1] == []


def test_nothing_is_inline(page: Page) -> None:
    """The content security policy allows no inline script, style or handler."""
    assert [tag for tag, attributes in page.elements if tag == "script" and "src" not in attributes] == []
    assert [tag for tag, _ in page.elements if tag in ("style", "base", "iframe", "object", "embed")] == []
    forbidden = [
        f"<{tag} {name}>"
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name == "style"
        or name.startswith(("on", "hx-on"))
        or value.strip().lower().startswith(("javascript:", "js:"))
    ]
    assert forbidden == []


def test_every_address_is_ours(page: Page) -> None:
    addresses = [
        attributes[name] for _, attributes in page.elements for name in ("src", "href", "action") if name in attributes
    ]
    assert [address for address in addresses if not address.startswith(("/", "#"))] == []


def test_every_post_carries_the_token(page: Page) -> None:
    posts = sum(1 for tag, attributes in page.elements if tag == "form" and attributes.get("method") == "post")
    tokens = sum(1 for _, attributes in page.elements if attributes.get("name") == "csrf_token")
    assert tokens == posts


def test_every_icon_exists(page: Page) -> None:
    known = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    used = {attributes["href"].partition("#")[2] for tag, attributes in page.elements if tag == "use"}
    assert used - known == set()


def test_a_kept_password_is_not_shown() -> None:
    template, context = PAGES["kept form, csrf_failed"]
    html = environment().get_template(template).render({**CONTEXT, **context})
    assert "<dt>choice</dt>" in html
    assert "correct-horse-battery" not in html


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        (1, {"a1": "1 ArrowStart", "tie": "2 t 0", "b1": "3 ArrowEnd"}),
        (
            2,
            {
                "a2": "1 Shift+ArrowStart",
                "a1": "2 ArrowStart",
                "tie": "3 t 0",
                "b1": "4 ArrowEnd",
                "b2": "5 Shift+ArrowEnd",
            },
        ),
        (
            3,
            {
                "a3": "1 Shift+ArrowStart",
                "a2": "2 ArrowStart",
                "a1": "3",
                "tie": "4 t 0",
                "b1": "5",
                "b2": "6 ArrowEnd",
                "b3": "7 Shift+ArrowEnd",
            },
        ),
    ],
)
def test_the_scale_runs_from_a_to_b_with_its_keys(steps: int, keys: dict[str, str]) -> None:
    html = environment().get_template("gallery/desk.html").render({**CONTEXT, "steps": steps})
    found = {
        attributes["value"]: attributes["data-key"]
        for _, attributes in Page(html).elements
        if attributes.get("name") == "choice"
    }
    assert found == {**keys, "both_bad": "b"}
    assert list(found)[:-1] == list(keys)


def test_a_shown_form_keeps_the_choice_and_the_reason() -> None:
    html = environment().get_template("gallery/desk.html").render({**CONTEXT, "shown_again": True})
    checked = [attributes["value"] for _, attributes in Page(html).elements if "checked" in attributes]
    assert checked == ["a2"]
    assert "A answers with code that can be used at once.</textarea>" in html


def render(source: str) -> str:
    return environment().from_string(source).render(CONTEXT)


def test_an_estimate_without_interval_or_reason_is_refused() -> None:
    with pytest.raises(jinja2.UndefinedError, match="an_estimate_needs_an_interval_or_a_reason"):
        render('{% from "components/chart.html" import estimate %}{{ estimate(0.5, "Agreement") }}')


@pytest.mark.parametrize(
    ("state", "is_polling"),
    [
        ("queued", True),
        ("running", True),
        ("cancelling", True),
        ("succeeded", False),
        ("failed", False),
        ("cancelled", False),
    ],
)
def test_a_job_card_asks_for_itself_only_while_it_is_active(state: str, is_polling: bool) -> None:
    html = render(
        '{% from "components/job_card.html" import job_card with context %}'
        f'{{{{ job_card(7, "Import", "{state}", "/jobs/7") }}}}'
    )
    assert ('hx-trigger="every 1s"' in html) is is_polling


def test_what_people_write_is_escaped_everywhere() -> None:
    hostile = '"><script>alert(1)</script>'
    html = (
        environment()
        .from_string(
            '{% from "components/field.html" import field %}{% from "components/button.html" import button %}'
            '{% from "components/badge.html" import badge, tag %}{% from "components/feedback.html" import callout %}'
            '{% from "components/diff.html" import diff %}{% from "components/copy_field.html" import copy_field %}'
            "{{ field('text', 'a', x, value=x, hint=x, error=x, placeholder=x, attrs={'title': x}) }}"
            "{{ field('select', 'b', x, value=x, options=[(x, x)]) }}{{ field('textarea', 'c', x, value=x) }}"
            "{{ button(x, href=x, attrs={'title': x}) }}{{ button(x, name=x, value=x) }}{{ badge(x) }}"
            "{{ tag(x, href=x) }}{{ callout(x, title=x) }}{{ diff([('added', x)], x) }}{{ copy_field('d', x, x) }}"
        )
        .render({**CONTEXT, "x": hostile})
    )
    assert "<script" not in html
    assert [tag for tag, _ in Page(html).elements if tag == "script"] == []


PHYSICAL = re.compile(
    r"(?<![-\w])((?:margin|padding|border)-(?:left|right|top|bottom)(?:-\w+)*|left|right|top|bottom"
    r"|border-(?:top|bottom)-(?:left|right)-radius|(?:min-|max-)?(?:width|height)|text-align:\s*(?:left|right)"
    r"|float|clear)\s*(?::|;)"
)
STYLESHEETS = sorted(path for path in (STATIC / "css").glob("*.css") if path.name != "highlight.css")


def without_comments(css: str) -> str:
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda path: path.name)
def test_css_uses_logical_properties(path: Path) -> None:
    css = without_comments(path.read_text())
    assert PHYSICAL.findall(re.sub(r"@media[^{]*{", "", css)) == []
    four_values = re.findall(r"(?:margin|padding|inset|border-radius|border-width):\s*((?:[^\s;]+\s+){3}[^\s;]+);", css)
    unequal = [values for values in four_values if "(" not in values and values.split()[1] != values.split()[3]]
    assert unequal == []


def test_css_names_only_tokens_that_exist() -> None:
    css = "".join(without_comments(path.read_text()) for path in STYLESHEETS)
    defined = set(re.findall(r"(--[\w-]+)\s*:", css))
    assert set(re.findall(r"var\((--[\w-]+)", css)) - defined == set()


def test_colours_are_written_in_tokens_only() -> None:
    """base.css may mix the selection's own colour; elsewhere a colour has a role and a name."""
    for path in STYLESHEETS:
        if path.name not in ("tokens.css", "base.css"):
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b|oklch\(|rgba?\(|hsla?\(", without_comments(path.read_text())) == []


def test_htmx_is_told_to_inject_and_evaluate_nothing() -> None:
    base = (TEMPLATES / "base.html").read_text()
    assert '"includeIndicatorCSS": false' in base
    assert '"noSwap": [204, 304, "5xx"]' in base
    assert '"defaultSettleDelay": 0' in base
    for path in TEMPLATES.rglob("*.html"):
        source = path.read_text()
        assert not re.search(r"hx-on\b|hx-on:|hx-trigger=\"[^\"]*\[|hx-vals=.js:", source), path


def linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH to linear sRGB (Ottosson 2020)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def read_colours() -> dict[str, dict[str, tuple[float, float, float]]]:
    number = r"([\d.]+)"
    colour = rf"oklch\({number} {number} {number}\)"
    found: dict[str, dict[str, tuple[float, float, float]]] = {"light": {}, "dark": {}}
    for name, *parts in re.findall(
        rf"--([\w-]+): light-dark\({colour}, {colour}\);", (STATIC / "css" / "tokens.css").read_text()
    ):
        values = [float(part) for part in parts]
        found["light"][name] = linear_rgb(*values[:3])
        found["dark"][name] = linear_rgb(*values[3:])
    return found


COLOURS = read_colours()
TEXT_PAIRS = [
    (text, ground)
    for text, grounds in {
        "text": "canvas surface sunken raised hover accent-soft success-soft warning-soft danger-soft added-soft "
        "removed-soft",
        "text-muted": "canvas surface sunken raised hover accent-soft",
        "accent-text": "canvas surface sunken raised accent-soft",
        "on-accent": "accent accent-hover",
        "on-danger": "danger danger-hover",
        "success-text": "surface success-soft raised",
        "warning-text": "surface warning-soft raised",
        "danger-text": "canvas surface danger-soft raised",
    }.items()
    for ground in grounds.split()
]
PARTS_PAIRS = [
    (part, ground)
    for part, grounds in {
        "line-strong": "canvas surface raised",
        "focus": "canvas surface sunken raised",
        "accent": "canvas surface hover sunken",
        "accent-line": "surface",
        "danger": "surface canvas",
    }.items()
    for ground in grounds.split()
]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """WCAG 2.2 contrast ratio."""
    high, low = sorted(
        (
            0.2126 * min(max(r, 0), 1) + 0.7152 * min(max(g, 0), 1) + 0.0722 * min(max(b, 0), 1)
            for r, g, b in (one, other)
        ),
        reverse=True,
    )
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_parts_stand_out_from_what_is_behind_them(theme: str) -> None:
    colours = COLOURS[theme]
    weak = [
        f"{front} on {ground}: {contrast(colours[front], colours[ground]):.2f}, wanted {wanted}"
        for pairs, wanted in ((TEXT_PAIRS, 4.5), (PARTS_PAIRS, 3.0))
        for front, ground in pairs
        if contrast(colours[front], colours[ground]) < wanted
    ]
    assert weak == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_can_be_shown_by_an_ordinary_screen(theme: str) -> None:
    outside = [name for name, parts in COLOURS[theme].items() if any(not -0.005 <= part <= 1.005 for part in parts)]
    assert outside == []


def test_contrast_meets_the_textbook() -> None:
    assert contrast(linear_rgb(1, 0, 0), linear_rgb(0, 0, 0)) == pytest.approx(21, abs=0.01)
    assert len(COLOURS["light"]) > 25
