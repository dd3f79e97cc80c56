"""What changed between two texts."""

from __future__ import annotations

from app.domain.difference import MOST_EDITS, Piece
from app.projects.comparison import Gap, compare


def shown(lines):
    return [("gap", line.n_lines) if isinstance(line, Gap) else (line.kind, line.text) for line in lines]


def test_equal_texts_have_no_difference():
    assert compare("one\ntwo", "one\ntwo") == []


def test_added_and_removed_lines_are_told_apart():
    assert shown(compare("one\ntwo", "two\nthree")) == [("removed", "one"), ("same", "two"), ("added", "three")]


def test_within_a_changed_line_only_the_words_are_marked():
    removed, added = compare("be fair and kind", "be fair and strict")
    assert removed.pieces == (Piece("be fair and ", False), Piece("kind", True))
    assert added.pieces == (Piece("be fair and ", False), Piece("strict", True))


def test_lines_carry_their_numbers_in_both_texts():
    lines = compare("a\nb\nc", "a\nx\nb\nc")
    assert [(line.kind, line.old_number, line.new_number) for line in lines] == [
        ("same", 1, 1),
        ("added", None, 2),
        ("same", 2, 3),
        ("same", 3, 4),
    ]


def test_far_unchanged_lines_become_a_gap():
    text = [f"line {n}" for n in range(20)]
    changed = [*text[:10], "new", *text[10:]]
    lines = shown(compare("\n".join(text), "\n".join(changed)))
    assert lines[0] == ("gap", 7)
    assert lines[-1] == ("gap", 7)
    assert ("added", "new") in lines


def test_a_blank_line_within_a_changed_block_keeps_its_place():
    lines = shown(compare("one\n\ntwo", "uno\n\ndos"))
    assert [text for kind, text in lines if kind == "removed"] == ["one", "two"]
    assert [text for kind, text in lines if kind == "added"] == ["uno", "dos"]


def test_a_rewritten_chapter_is_compared_by_line_only():
    old = " ".join(f"old{n}" for n in range(MOST_EDITS))
    removed, added = compare(old, old.replace("old", "new"))
    assert (removed.pieces, added.kind) == ((Piece(old, False),), "added")


def test_nothing_compared_with_something_is_all_added():
    assert shown(compare("", "one\ntwo")) == [("added", "one"), ("added", "two")]
