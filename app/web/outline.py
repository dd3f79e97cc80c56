"""A long text by its clauses: contents, anchors that stay, and a search that marks what it found.

Works on what app.web.markdown has cleaned, and adds nothing that a writer could choose but the letters of an anchor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape, unescape
from html.parser import HTMLParser

from markupsafe import Markup

ANCHOR_LETTERS = 60
_HEADINGS = frozenset({"h3", "h4", "h5", "h6"})
_VOID = frozenset({"br", "hr"})
_TAG_OR_ENTITY = re.compile(r"<(?:\"[^\"]*\"|[^>\"])*>|&[#\w]+;")
_NO_LETTER = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Clause:
    """A heading with what stands under it. The text before the first heading has no title and an empty anchor.

    `level` is 3 to 6 as in the page; `anchor` comes from the title, so that it is the same in every version.
    """

    anchor: str
    title: str
    level: int
    heading: Markup
    body: Markup

    @property
    def text(self) -> str:
        return f"{self.title}\n{unescape(_TAG_OR_ENTITY.sub(_entity, self.body))}"


def _entity(match: re.Match[str]) -> str:
    return match.group() if match.group().startswith("&") else " "


@lru_cache(maxsize=64)
def clauses(html: Markup) -> tuple[Clause, ...]:
    """The clauses of rendered Markdown, cut at the headings that stand in no quote or list."""
    inner = str(html)[html.index(">") + 1 : html.rindex("</div>")]
    finder = _Headings(inner)
    found: list[Clause] = []
    taken: set[str] = {""}
    before = inner[: finder.spans[0][0]] if finder.spans else inner
    if before.strip():
        found.append(Clause("", "", 3, Markup(), _block(before)))
    ends = [*(start for start, _close, _level in finder.spans), len(inner)][1:]
    for (start, close, level), end in zip(finder.spans, ends, strict=True):
        heading = inner[inner.index(">", start) + 1 : inner.rindex("</", start, close)]
        title = " ".join(unescape(_TAG_OR_ENTITY.sub(_entity, heading)).split())
        anchor = _free(_slug(title), taken)
        taken.add(anchor)
        found.append(Clause(anchor, title, level, Markup(heading), _block(inner[close:end])))  # noqa: S704 - cleaned by markdown
    return tuple(found)


def _block(html: str) -> Markup:
    return Markup(f'<div class="md" dir="auto">{html.strip()}</div>') if html.strip() else Markup()  # noqa: S704 - cleaned by markdown


def _slug(title: str) -> str:
    return "clause-" + _NO_LETTER.sub("-", title.lower()).strip("-_")[:ANCHOR_LETTERS].strip("-_")


def _free(anchor: str, taken: set[str]) -> str:
    number = 2
    wanted = anchor
    while wanted in taken:
        wanted = f"{anchor}-{number}"
        number += 1
    return wanted


class _Headings(HTMLParser):
    """`spans`: (start, end, level) of each heading that stands in nothing else."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", html))]
        self._depth = 0
        self._start = 0
        self.spans: list[tuple[int, int, int]] = []
        self.feed(html)
        self.close()

    def _at(self) -> int:
        line, column = self.getpos()
        return self._line_starts[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the library's name
        if tag in _VOID:
            return
        if self._depth == 0:
            self._start = self._at()
        self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 0 and tag in _HEADINGS:
            self.spans.append((self._start, self._at() + len(tag) + 3, int(tag[1])))


def search(found: tuple[Clause, ...], query: str, beside: Mapping[str, str] | None = None) -> tuple[Clause, ...]:
    """The clauses in which every word of the query stands, with each of the words marked; all of them without one.

    `beside` are further words of a clause, by its anchor: its examples.
    """
    beside = beside or {}
    words = sorted({word.casefold() for word in query.split()}, key=len, reverse=True)
    if not words:
        return found
    return tuple(
        replace(clause, heading=mark(clause.heading, words), body=mark(clause.body, words))
        for clause in found
        if all(word in f"{clause.text}\n{beside.get(clause.anchor, '')}".casefold() for word in words)
    )


def mark(html: Markup, words: list[str]) -> Markup:
    """The words in <mark>, wherever they stand in the text; tags and entities stay as they are."""
    wanted = re.compile("|".join(re.escape(escape(word, quote=False)) for word in words), re.IGNORECASE)
    return Markup("".join(_marked(str(html), wanted)))  # noqa: S704 - <mark> around what was clean


def _marked(html: str, wanted: re.Pattern[str]) -> Iterator[str]:
    at = 0
    for kept in _TAG_OR_ENTITY.finditer(html):
        yield wanted.sub(r"<mark>\g<0></mark>", html[at : kept.start()])
        yield kept.group()
        at = kept.end()
    yield wanted.sub(r"<mark>\g<0></mark>", html[at:])
