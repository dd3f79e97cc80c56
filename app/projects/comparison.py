"""What changed between two texts: whole lines, and within a changed line the words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from app.domain.difference import Kind, Piece, difference, sides

CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of the comparison with its numbers in the old and the new text (None where it does not stand)."""

    kind: Kind
    old_number: int | None
    new_number: int | None
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Gap:
    """So many unchanged lines are left out here."""

    n_lines: int


def compare(old: str, new: str, context: int = CONTEXT_LINES) -> list[DiffLine | Gap]:
    """The changed lines with `context` unchanged ones around them; empty when the texts are equal."""
    before, after = old.splitlines(), new.splitlines()
    matcher = SequenceMatcher(None, before, after)
    lines: list[DiffLine] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            lines += [DiffLine("same", i1 + k + 1, j1 + k + 1, (Piece(before[i1 + k], False),)) for k in range(i2 - i1)]
        else:
            lines += _changed(before[i1:i2], after[j1:j2], i1, j1)
    return list(_with_gaps(lines, context)) if any(line.kind != "same" for line in lines) else []


def _changed(removed: list[str], added: list[str], i: int, j: int) -> list[DiffLine]:
    marked_removed, marked_added = (
        _mark_words("\n".join(removed), "\n".join(added))
        if removed and added
        else (
            [(Piece(line, False),) for line in removed],
            [(Piece(line, False),) for line in added],
        )
    )
    return [
        *(DiffLine("removed", i + k + 1, None, pieces) for k, pieces in enumerate(marked_removed)),
        *(DiffLine("added", None, j + k + 1, pieces) for k, pieces in enumerate(marked_added)),
    ]


def _mark_words(old: str, new: str) -> tuple[list[tuple[Piece, ...]], list[tuple[Piece, ...]]]:
    runs = difference(old, new)
    if runs is None:  # a rewritten chapter is shown as lines
        return _lines([Piece(old, False)]), _lines([Piece(new, False)])
    old_pieces, new_pieces = sides(runs)
    return _lines(old_pieces), _lines(new_pieces)


def _lines(pieces: Iterable[Piece]) -> list[tuple[Piece, ...]]:
    """Cut runs at line ends, so that each line has runs of its own."""
    lines: list[list[Piece]] = [[]]
    for piece in pieces:
        for k, part in enumerate(piece.text.split("\n")):
            if k:
                lines.append([])
            if part:
                lines[-1].append(Piece(part, piece.is_changed))
    return [tuple(line) for line in lines]


def _with_gaps(lines: list[DiffLine], context: int) -> Iterator[DiffLine | Gap]:
    near = [False] * len(lines)
    for k, line in enumerate(lines):
        if line.kind != "same":
            for m in range(max(0, k - context), min(len(lines), k + context + 1)):
                near[m] = True
    hidden = 0
    for line, is_near in zip(lines, near, strict=True):
        if not is_near:
            hidden += 1
            continue
        if hidden:
            yield Gap(hidden)
            hidden = 0
        yield line
    if hidden:
        yield Gap(hidden)
