"""What differs between two texts, word by word.

The shortest script of insertions and deletions (E. W. Myers, "An O(ND) Difference Algorithm and Its Variations",
Algorithmica 1, 1986), with no heuristic that drops frequent words. Its work grows with the length times the number of
edits, so both are bounded by counting: texts beyond the bounds have no difference, rather than a slow or a wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["same", "removed", "added"]

MOST_WORDS = 6_000
"""Words, signs and spaces of both texts together that are still compared."""
MOST_EDITS = 600
"""Words, signs and spaces that may have come or gone."""
NEAR = 0.7
"""Two answers are near-identical when at least this share of their words stands in both, in the same order."""

# Scripts that write no space between words (Thai, Lao, Khmer, Japanese, Chinese) are compared sign by sign.
_SPACELESS = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WORDS = re.compile(rf"\s+|{_SPACELESS.pattern}|(?:(?!{_SPACELESS.pattern})\w)+|.")
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text that stands in both texts, or was removed from the first, or added in the second."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one text; a changed one does not stand in the other."""

    text: str
    is_changed: bool


def difference(before: str, after: str) -> tuple[Run, ...] | None:
    """The runs that lead from one text to the other, or None where the texts are too long or too far apart.

    The texts of all runs but the added ones give `before`; of all but the removed ones, `after`. Spaces between two
    changes count as changed. Equal texts give one run of the kind "same" (none, if they are empty).
    """
    return _difference(words(before), words(after), MOST_EDITS)


def near_difference(one: str, other: str) -> tuple[Run, ...] | None:
    """The difference of two answers that are nearly the same; None where they are equal, or less than NEAR alike."""
    before, after = words(one), words(other)
    if before == after:
        return None
    runs = _difference(before, after, min(MOST_EDITS, int((1 - NEAR) * (len(before) + len(after))) + 1))
    return runs if runs and similarity(runs) >= NEAR else None


def similarity(runs: Iterable[Run]) -> float:
    """2·S / (A + B): S words stand in both texts, A and B in each; spaces do not count. 1.0 for two empty texts."""
    shared = total = 0
    for run in runs:
        count = sum(not word.isspace() for word in words(run.text))
        shared += 2 * count if run.kind == "same" else 0
        total += 2 * count if run.kind == "same" else count
    return shared / total if total else 1.0


def sides(runs: Iterable[Run]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The two texts as pieces: those of the first, and those of the second."""
    runs = tuple(runs)
    return (
        tuple(Piece(run.text, run.kind != "same") for run in runs if run.kind != "added"),
        tuple(Piece(run.text, run.kind != "same") for run in runs if run.kind != "removed"),
    )


def words(text: str) -> list[str]:
    """`text` cut into words, signs and spaces, never within a letter and its accents or a joined emoji."""
    found: list[str] = []
    for word in _WORDS.findall(text):
        if found and _joins(found[-1], word):
            found[-1] += word
        else:
            found.append(word)
    return found


def _joins(word: str, following: str) -> bool:
    """Whether two finds are one word to a reader: an accent, what comes after one, or the parts of an emoji."""
    if word.isspace():
        return False
    if following[0] in _JOINERS or _is_accent(following[0]) or word[-1] == "\u200d":
        return True
    return _is_accent(word[-1]) and following[0].isalnum() and not _SPACELESS.match(word)


def _is_accent(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _difference(before: Sequence[str], after: Sequence[str], most: int) -> tuple[Run, ...] | None:
    if len(before) + len(after) > MOST_WORDS:
        return None
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    edits = _edits(before[start : len(before) - end], after[start : len(after) - end], most)
    if edits is None:
        return None
    same: list[tuple[Kind, str]] = [("same", word) for word in before[:start]]
    last: list[tuple[Kind, str]] = [("same", word) for word in before[len(before) - end :]]
    return tuple(_runs([*same, *edits, *last]))


def _edits(before: Sequence[str], after: Sequence[str], most: int) -> list[tuple[Kind, str]] | None:
    """The shortest script of at most `most` insertions and deletions, word by word; None if it takes more."""
    n, m = len(before), len(after)
    one, other = Counter(before), Counter(after)
    if abs(n - m) > most or (one - other).total() + (other - one).total() > most:
        return None
    # furthest[k]: how far along `before` the diagonal k (a place in `before` minus one in `after`) has been reached.
    furthest = {1: 0}
    history: list[dict[int, int]] = []
    for d in range(most + 1):
        history.append(furthest.copy())
        for k in range(-d, d + 1, 2):
            x = furthest[k + 1] if _goes_down(furthest, k, d) else furthest[k - 1] + 1
            while x < n and x - k < m and before[x] == after[x - k]:
                x += 1
            furthest[k] = x
            if k == n - m and x >= n:
                return _walk_back(before, after, history)
    return None


def _goes_down(furthest: dict[int, int], k: int, d: int) -> bool:
    return k == -d or (k != d and furthest[k - 1] < furthest[k + 1])


def _walk_back(before: Sequence[str], after: Sequence[str], history: list[dict[int, int]]) -> list[tuple[Kind, str]]:
    script: list[tuple[Kind, str]] = []
    x, y = len(before), len(after)
    for d in range(len(history) - 1, -1, -1):
        furthest, k = history[d], x - y
        k = k + 1 if _goes_down(furthest, k, d) else k - 1
        earlier_x = furthest[k]
        earlier_y = earlier_x - k
        while x > max(earlier_x, 0) and y > max(earlier_y, 0):
            x, y = x - 1, y - 1
            script.append(("same", before[x]))
        if d:
            script.append(("added", after[earlier_y]) if x == earlier_x else ("removed", before[earlier_x]))
        x, y = earlier_x, earlier_y
    return script[::-1]


def _runs(script: list[tuple[Kind, str]]) -> Iterable[Run]:
    """Changes with only spaces between them become one: what was removed, then what was added."""
    changed = [kind != "same" for kind, _ in script]
    for k, (_, word) in enumerate(script):
        if word.isspace() and 0 < k < len(script) - 1 and changed[k - 1] and script[k + 1][0] != "same":
            changed[k] = True
    position = 0
    for is_changed, group in groupby(changed):
        size = len(list(group))
        part = script[position : position + size]
        position += size
        if not is_changed:
            yield Run("same", "".join(word for _, word in part))
            continue
        removed = "".join(word for kind, word in part if kind != "added")
        added = "".join(word for kind, word in part if kind != "removed")
        if removed:
            yield Run("removed", removed)
        if added:
            yield Run("added", added)
