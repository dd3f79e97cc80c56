"""Keyset cursors: the place in a sorted list after (or before) one row, opaque to whoever carries it."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Literal

from app.errors import Invalid

Direction = Literal["next", "previous"]
DIRECTIONS: dict[str, Direction] = {"n": "next", "p": "previous"}
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Continue after the row (`key`, `id`) in the order `sort`, forwards (next) or backwards (previous).

    A row that is added or removed elsewhere moves nothing: the place is a value, not a number of rows.
    """

    sort: str
    direction: Direction
    key: int
    id: int

    def encode(self) -> str:
        packed = json.dumps([self.sort, self.direction[0], self.key, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode(text: str, *, sort: str) -> Cursor:
    """The cursor in `text`; Invalid when it is damaged or belongs to another order."""
    try:
        packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found_sort, letter, key, row_id = json.loads(packed)
        direction = DIRECTIONS[letter]
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        raise _damaged() from None
    if found_sort != sort or not all(type(part) is int and abs(part) <= LARGEST for part in (key, row_id)):
        raise _damaged()
    return Cursor(sort, direction, key, row_id)


def _damaged() -> Invalid:
    return Invalid(
        "This page of the list cannot be found: its link is damaged, or of another order. Start at the first page.",
        code="invalid_cursor",
        field="cursor",
    )
