"""Pseudo-locales: every text accented, a third longer and in brackets; and the same written from right to left.

A text that passes gettext by stands out on a page, and one that has no room to grow runs out of it.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from scripts import messages

LOCALE = "eo"
RIGHT_TO_LEFT = "he"
OPEN, CLOSE, BETWEEN = "⟦", "⟧", "\x1f"
# Written by people, by machines for machines, or in the reader's locale by Babel: no text of ours.
SKIPPED = frozenset({"script", "style", "time", "pre", "code", "kbd", "svg", "template", "textarea"})
SKIPPED_CLASSES = frozenset({"mono", "keys", "numeric", "brand", "prose", "shown-source"})
SKIPPED_FIELDS = frozenset({"language", "timezone", "locale"})
_DATA = re.compile(r"\bUTC\b|\bAccord\b|\S+@\S+|\b\d{4}-\w{3}-\d{1,2}\b")
READ_OUT = frozenset({"aria-label", "title", "placeholder", "alt", "data-confirm", "data-copied", "data-error"})
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_INNERMOST = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
_WORD = re.compile(r"[^\W\d_]{2,}")


_PLACEHOLDER = re.compile(r"(%\(\w+\)[a-z]|%%|%[a-z])")
_ACCENTS = str.maketrans("aceinosuyzACEINOSUYZ", "àçéîñöšûýžÀÇÉÎÑÖŠÛÝŽ")
_GROWTH = 0.3


def bracketed(text: str) -> str:
    return f"{OPEN}{text}{CLOSE}"


def spoken(text: str, *, is_mirrored: bool = False) -> str:
    """The text as a pseudo-locale says it; placeholders stay. Mirrored, its letters run from right to left."""
    parts = _PLACEHOLDER.split(text)
    accented = "".join(part if number % 2 else part.translate(_ACCENTS) for number, part in enumerate(parts))
    longer = accented + " öô" * max(1, round(len(text) * _GROWTH / 3))
    return bracketed(f"\u202e{longer}\u202c" if is_mirrored else longer)


def write_catalogue(folder: Path, *locales: str) -> None:
    """folder/<locale>/LC_MESSAGES/accord.po with every text of the program as the pseudo-locales (or one) say it."""
    texts = messages.extract()
    for locale in locales or (LOCALE,):
        _write(folder, locale, texts)


def _write(folder: Path, locale: str, texts: Catalog) -> None:
    catalogue = Catalog(locale=locale, domain=messages.DOMAIN)
    is_mirrored = locale == RIGHT_TO_LEFT
    for message in texts:
        if not message.id:
            continue
        if isinstance(message.id, tuple):
            one, many = (spoken(text, is_mirrored=is_mirrored) for text in message.id)
            said: str | tuple[str, ...] = (one, *[many] * (catalogue.num_plurals - 1))
        else:
            said = spoken(message.id, is_mirrored=is_mirrored)
        catalogue.add(message.id, said, flags=message.flags, context=message.context)
    path = folder / locale / "LC_MESSAGES" / f"{messages.DOMAIN}.po"
    path.parent.mkdir(parents=True)
    with path.open("wb") as out:
        write_po(out, catalogue)


def untranslated(html: str) -> list[str]:
    """The texts of a page, and of its labels for readers, that are in no brackets."""
    parser = _Texts()
    parser.feed(html)
    parser.close()
    # A sentence may hold a tag (a time, a link): its brackets then close in another text than they open in.
    left = [*_without_brackets(BETWEEN.join(parser.texts)).split(BETWEEN), *map(_without_brackets, parser.labels)]
    return [text.strip() for text in left if _WORD.search(_DATA.sub("", text))]


def _without_brackets(text: str) -> str:
    while (shorter := _INNERMOST.sub("", text)) != text:
        text = shorter
    return text


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.labels: list[str] = []
        self.open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        is_skipped = (
            tag in SKIPPED
            or bool(SKIPPED_CLASSES & set(given.get("class", "").split()))
            or given.get("name") in SKIPPED_FIELDS
        )
        if not self._is_skipping and not (is_skipped and tag != "svg"):
            self.labels += [given[name] for name in READ_OUT & given.keys()]
        if tag not in VOID:
            self.open.append((tag, is_skipped))

    def handle_endtag(self, tag: str) -> None:
        while self.open:
            name, _is_skipped = self.open.pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._is_skipping:
            self.texts.append(data.strip())

    @property
    def _is_skipping(self) -> bool:
        return any(is_skipped for _tag, is_skipped in self.open)
