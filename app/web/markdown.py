"""Text that a person or a model wrote, as HTML that can do nothing but be read.

Three walls, each enough alone: the parser has HTML off and refuses addresses that are not http, https or mailto; its
renderer writes only tags named here; nh3 parses the result again and keeps only the allow-list. Images never load:
they become a link to the picture. Work is bounded by counting, never by a clock, so the same text always gives the
same HTML: too many lines make the whole text plain, too many marks make a paragraph plain, too much code goes without
colours, too much LaTeX stays as it was written.

Each paragraph, heading and cell finds its own direction (`dir="auto"`); lists, quotes, tables and the whole have that
of their first letter, which HTML's "auto" would not look for below a block with a direction of its own. Code and
formulas run from left to right and decide nothing.

Classes written: `md` (wrapper), `md-plain`, `md-image`, `md-align-start|center|end`, `md-scroll` (the box that a table
or a displayed formula scrolls in), `md-code`, `md-code-language`, `md-formula` (one that could not be drawn), `math-*`
of app.web.latex and `hl-*` of app.web.highlight.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from app.web import formulas, highlight, latex

MAX_CHARACTERS = 200_000
MAX_LINES = 5_000
MAX_CELLS = 20_000
"""Cells that the tables of a text could have: a short row of a wide table is filled up."""
MAX_CONTAINERS = 15_000
"""Marks of quotes and lists at the beginnings of lines."""
MAX_MARKS = 20_000
"""Characters with a meaning to the inline parser, over the whole text."""
MAX_NESTING = 20
"""Levels of quotes and lists (a list and its item are two). The parser drops what is deeper, so such text is plain."""
MAX_EMPHASIS = 6
"""How deep emphasis, strong and strikethrough may stand in each other; deeper marks vanish, their text stays."""
MAX_HIGHLIGHTED = 24_000
"""Characters of code that are coloured, over the whole text; see highlight.cost."""
MAX_LATEX = 8_000
"""Characters of formulas that are drawn, over the whole text."""
CACHE_BYTES = 32 * 1024 * 1024

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MARK = re.compile(r"[\[\]()*_`~<>!&\\$]")
_SAFE_LINK = re.compile(
    r"(?:https?://[^\s/\\?#][^\s\x00-\x20]*|mailto:[^\s\x00-\x20@]+@[^\s\x00-\x20]+)", re.IGNORECASE
)
_DELIMITER_ROW = re.compile(r"^(?=[^\n]*-)[ \t>*+.)0-9:|-]+$", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t>*+-]+", re.MULTILINE)
_CONTAINER = re.compile(r">|[*+-](?=[ \t])")
_ALIGN = {"text-align:left": "start", "text-align:center": "center", "text-align:right": "end"}
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_LEVELS = frozenset({"em", "strong", "s"})
_CONTAINERS = frozenset({"blockquote_open", "bullet_list_open", "ordered_list_open", "table_open"})
_BLOCKS = frozenset({"paragraph_open", "heading_open", "td_open", "th_open"})

TAGS = latex.TAGS | frozenset(
    "a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul".split()  # noqa: SIM905
)
CLASSES = {
    "code": {"md-formula"},
    "div": {"md-code", "md-scroll"},
    "span": set(highlight.CLASSES) | {"md-code-language", "md-image", "md-scroll"},
    "pre": {"md-plain"},
    **{cell: {f"md-align-{side}" for side in _ALIGN.values()} for cell in ("td", "th")},
    **latex.CLASSES,
}
_DIRECTED = {
    **{tag: {"auto"} for tag in ("p", "h3", "h4", "h5", "h6", "td", "th")},
    **{tag: {"ltr", "rtl"} for tag in ("blockquote", "ol", "table", "ul")},
    "code": {"ltr"},
    "math": {"ltr"},
    "pre": {"auto", "ltr"},
    "span": {"ltr"},
}
"""The values of `dir` by tag."""
REL = "noopener noreferrer nofollow"


def render(text: str, *, image_label: str = "image") -> Markup:
    """Markdown as safe HTML in one `<div class="md" dir="auto">`; the same text always gives the same HTML.

    `image_label` is the (translated) word in the text that stands for a picture: "[image: a cat]". Headings come two
    levels lower, so that the page keeps its own first two. Never raises, whatever the text.
    """
    key = hashlib.sha256(f"{image_label}\0{text}".encode("utf-8", "surrogatepass")).digest()
    html = _cache.get(key)
    if html is None:
        html = _render(printable(text), image_label)
        _cache.put(key, html)
    return Markup(html)  # noqa: S704 - cleaned by nh3 above


def render_inline_text(text: str) -> Markup:
    """Plain text, escaped, its line breaks kept, in one `<span dir="auto">`."""
    lines = printable(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Markup('<span dir="auto">' + "<br>".join(map(escape, lines)) + "</span>")  # noqa: S704 - escaped


def printable(text: str) -> str:
    """`text` with a replacement sign for each character that HTML cannot hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def is_safe_link(address: str) -> bool:
    """Whether `address` is http(s) with a host, or mailto with an address; never relative, no other scheme."""
    return _SAFE_LINK.fullmatch(address) is not None


def direction(text: str) -> str | None:
    """ "ltr" or "rtl" by the first letter of `text` that has a direction, or None."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in {"R", "AL"}:
            return "rtl"
        if kind == "L":
            return "ltr"
    return None


def _render(text: str, image_label: str) -> str:
    body = f'<pre class="md-plain" dir="auto">{escape(text)}</pre>'
    environment = new_environment(image_label)
    if not is_plain(text):
        with suppress(_TooDeepError):
            body = _parser.render(text, environment)
    return f'<div class="md" dir="{environment["direction"]}">{_cleaner.clean(body)}</div>'


def new_environment(image_label: str) -> dict[str, Any]:
    """What the parser and the renderer know of one text: its budgets, and the direction that they find."""
    return {
        "image_label": image_label,
        "highlight_left": MAX_HIGHLIGHTED,
        "latex_left": MAX_LATEX,
        "direction": "auto",
    }


def is_plain(text: str) -> bool:
    """Whether `text` has too much structure to be parsed as Markdown in bounded time."""
    lines = text.count("\n") + text.count("\r")
    if len(text) > MAX_CHARACTERS or lines > MAX_LINES:
        return True
    widest = max((row.count("|") + 1 for row in _DELIMITER_ROW.findall(text)), default=0)
    if widest * lines > MAX_CELLS or (widest and text.count("|") > MAX_CELLS):
        return True
    return sum(len(_CONTAINER.findall(run)) for run in _LINE_START.findall(text)) > MAX_CONTAINERS


class _TooDeepError(Exception):
    """Blocks stand deeper in each other than the parser follows."""


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return is_safe_link(url)


class _Renderer(RendererHTML):
    """Only what differs from the library's own renderer."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children or [], options, env).strip()
        label = escape(f"[{env['image_label']}: {alt}]" if alt else f"[{env['image_label']}]")
        shown = f'<span class="md-image">{label}</span>'
        if token.meta.get("in_link"):
            return shown
        return f'<a href="{escape(str(token.attrs["src"]))}">{shown}</a>'

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        code, info = tokens[idx].content, tokens[idx].info
        cost = highlight.cost(code, info)
        coloured = highlight.to_html(code, info) if cost <= env["highlight_left"] else None
        label = highlight.label(info)
        if coloured is None:
            return _code(escape(code, quote=False), label)
        env["highlight_left"] -= cost
        return _code(coloured, label)

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return _code(escape(tokens[idx].content, quote=False), None)

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f'<code dir="ltr">{escape(tokens[idx].content, quote=False)}</code>'

    def formula(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        token = tokens[idx]
        is_display = token.meta["is_display"]
        drawn = None
        if len(token.content) <= env["latex_left"]:
            env["latex_left"] -= len(token.content)
            drawn = latex.to_mathml(token.content, is_display=is_display)
        if drawn is None:
            drawn = f'<code class="md-formula" dir="ltr">{escape(token.markup, quote=False)}</code>'
            return f"<p>{drawn}</p>\n" if token.block else drawn
        if token.block:
            return f'<div class="md-scroll" tabindex="0">{drawn}</div>\n'
        return f'<span class="md-scroll" tabindex="0">{drawn}</span>' if is_display else drawn

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div class="md-scroll" tabindex="0">{self.renderToken(tokens, idx, options, env)}'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"{self.renderToken(tokens, idx, options, env)}</div>\n"


def _code(html: str, label: str | None) -> str:
    code = f'<pre dir="ltr"><code>{html}</code></pre>'
    if label is None:
        return f"{code}\n"
    return f'<div class="md-code"><span class="md-code-language" dir="ltr">{escape(label)}</span>{code}</div>\n'


def _parse_inline(state: StateCore) -> None:
    """The library's inline rule, within a budget of marks; what is over it stays as it was written."""
    marks_left = MAX_MARKS
    for token in state.tokens:
        if token.level >= MAX_NESTING - 1:
            raise _TooDeepError
        if token.type == "inline":
            marks = len(_MARK.findall(token.content))
            if marks > marks_left:
                token.children = _plain_children(token.content)
                continue
            marks_left -= marks
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            token.children = _flatten(token.children)
        elif token.tag in _HEADINGS:
            token.tag = _HEADINGS[token.tag]
        elif token.type in {"td_open", "th_open"}:
            side = _ALIGN.get(str(token.attrs.pop("style", "")))
            if side:
                token.attrs["class"] = f"md-align-{side}"


def _direct(state: StateCore) -> None:
    """Give each block its direction; what is not known when the first letter comes, is that of the first letter."""
    waiting: list[Token] = []
    for token in state.tokens:
        if token.type in _CONTAINERS:
            waiting.append(token)
        elif token.type in _BLOCKS:
            token.attrs["dir"] = "auto"
        elif token.type == "inline":
            found = direction("".join(child.content for child in token.children or [] if child.type == "text"))
            if found is None:
                continue
            for container in waiting:
                container.attrs["dir"] = found
            waiting.clear()
            if state.env["direction"] == "auto":
                state.env["direction"] = found


def _plain_children(content: str) -> list[Token]:
    children: list[Token] = []
    for number, line in enumerate(content.split("\n")):
        if number:
            children.append(Token("hardbreak", "br", 0))
        children.append(Token("text", "", 0, content=line))
    return children


def _flatten(children: list[Token]) -> list[Token]:
    """Drop emphasis that stands too deep, and tell each image whether it stands in a link."""
    kept = []
    depth = links = 0
    for token in children:
        if token.tag in _LEVELS:
            deep = depth >= MAX_EMPHASIS if token.nesting > 0 else depth > MAX_EMPHASIS
            depth += token.nesting
            if deep:
                continue
        elif token.type in {"link_open", "link_close"}:
            links += token.nesting
        elif token.type == "image":
            token.meta["in_link"] = links > 0
        kept.append(token)
    return kept


def _make_parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "linkify": False, "typographer": False, "maxNesting": MAX_NESTING}
    parser = _Markdown("commonmark", options, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    formulas.add_formulas(parser)
    parser.core.ruler.at("inline", _parse_inline)
    parser.core.ruler.after("inline", "direction", _direct)
    return parser


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    """The second look at each link; `start` of a list is a number a browser can count from."""
    if name == "href" and not is_safe_link(value):
        return None
    if name == "start" and not re.fullmatch(r"[0-9]{1,9}", value):
        return None
    if name in latex.ATTRIBUTES.get(tag, ()) and tag != "math" and not latex.is_safe_value(name, value):
        return None
    return value


class _Cache:
    """Rendered HTML by the hash of its text, least recently used out first, bounded in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> str | None:
        with self._lock:
            html = self._entries.get(key)
            if html is not None:
                self._entries.move_to_end(key)
            return html

    def put(self, key: bytes, html: str) -> None:
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = html
            self._size += _weight(html)
            while self._size > self._limit:
                _, oldest = self._entries.popitem(last=False)
                self._size -= _weight(oldest)

    @property
    def size(self) -> int:
        return self._size


def _weight(html: str) -> int:
    """Bytes at most: four a character, and the entry's own share."""
    return 4 * len(html) + 200


_parser = _make_parser()
_cleaner = nh3.Cleaner(
    tags=set(TAGS),
    attributes={"a": {"href", "title"}, "ol": {"start"}, **latex.ATTRIBUTES, "math": {"alttext"}},
    attribute_filter=_filter_attribute,
    allowed_classes=CLASSES,
    set_tag_attribute_values={"a": {"target": "_blank"}},
    tag_attribute_values={
        **{tag: {"dir": values} for tag, values in _DIRECTED.items()},
        "div": {"tabindex": {"0"}},
        "math": {"dir": _DIRECTED["math"], "display": {"block", "inline"}},
        "span": {"dir": _DIRECTED["span"], "tabindex": {"0"}},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=REL,
    strip_comments=True,
)
_cache = _Cache(CACHE_BYTES)
