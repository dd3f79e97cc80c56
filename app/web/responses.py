"""Responses as a page shows them: drawn, as they were written, and with what differs between two that are nearly alike.

For templates/components/response.html; docs/components.md lists how to call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup

from app.domain.difference import Piece, near_difference, sides
from app.web.markdown import printable, render

MAX_COMPARED = 60_000
"""Characters of two responses together whose difference is looked for."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """One response. `pieces` join to `raw`; they are empty unless it stands beside one that is nearly the same."""

    html: Markup
    raw: str
    lang: str | None
    pieces: tuple[Piece, ...] = ()


def show(texts: Sequence[str], *, lang: str | None, image_label: str) -> list[ShownText]:
    """The responses to one prompt in the order given; only a pair has a difference."""
    raw = [printable(text) for text in texts]
    is_compared = len(raw) == 2 and sum(map(len, raw)) <= MAX_COMPARED
    pieces = _pieces(*raw) if is_compared else ((),) * len(raw)
    return [
        ShownText(render(text, image_label=image_label), text, lang, part)
        for text, part in zip(raw, pieces, strict=True)
    ]


@lru_cache(maxsize=128)
def _pieces(one: str, other: str) -> tuple[tuple[Piece, ...], ...]:
    """What only each of two says, kept for the next annotators of the same task."""
    runs = near_difference(one, other)
    return sides(runs) if runs else ((), ())
