"""Word-level differences: they give back both texts, are as short as can be, and end."""

from __future__ import annotations

import sys
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.difference import (
    MOST_EDITS,
    MOST_WORDS,
    NEAR,
    Piece,
    Run,
    _edits,
    difference,
    near_difference,
    sides,
    similarity,
    words,
)

TEXTS = st.text(st.sampled_from("ab .\n你\u0301é"), max_size=40) | st.lists(
    st.sampled_from(["the", "a", "cat", " ", "  ", "\n", ".", "sat", "猫", "👩‍👩‍👧", "हिन्दी"]), max_size=40
).map("".join)


def before(runs):
    return "".join(run.text for run in runs if run.kind != "added")


def after(runs):
    return "".join(run.text for run in runs if run.kind != "removed")


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_the_runs_give_back_both_texts(one, other):
    runs = difference(one, other)

    assert (before(runs), after(runs)) == (one, other)
    left, right = sides(runs)
    assert ("".join(piece.text for piece in left), "".join(piece.text for piece in right)) == (one, other)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_words_give_back_their_text(text):
    assert "".join(words(text)) == text


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_neighbouring_runs_differ_in_kind_and_none_is_empty(one, other):
    runs = difference(one, other)

    assert all(run.text for run in runs)
    assert all(first.kind != second.kind for first, second in pairwise(runs))


@given(TEXTS)
@settings(deadline=None)
def test_equal_texts_have_no_difference(text):
    assert all(run.kind == "same" for run in difference(text, text))
    assert near_difference(text, text) is None


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
@settings(deadline=None)
def test_no_script_is_shorter(one, other):
    @lru_cache
    def shared(i: int, j: int) -> int:
        """The longest common subsequence from there on."""
        if i == len(one) or j == len(other):
            return 0
        if one[i] == other[j]:
            return 1 + shared(i + 1, j + 1)
        return max(shared(i + 1, j), shared(i, j + 1))

    script = _edits(one, other, 100)

    assert sum(kind != "same" for kind, _ in script) == len(one) + len(other) - 2 * shared(0, 0)
    assert [word for kind, word in script if kind != "added"] == one
    assert [word for kind, word in script if kind != "removed"] == other


def test_a_changed_word_is_marked_and_its_neighbours_are_not():
    assert difference("The cat sat down.", "The dog sat down.") == (
        Run("same", "The "),
        Run("removed", "cat"),
        Run("added", "dog"),
        Run("same", " sat down."),
    )


def test_changes_with_only_a_space_between_them_become_one():
    assert difference("one big cat here", "one small dog here") == (
        Run("same", "one "),
        Run("removed", "big cat"),
        Run("added", "small dog"),
        Run("same", " here"),
    )


def test_each_side_has_only_its_own_pieces():
    left, right = sides(difference("a b", "a c"))

    assert left == (Piece("a ", False), Piece("b", True))
    assert right == (Piece("a ", False), Piece("c", True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't stop", ["don", "'", "t", " ", "stop"]),
        ("猫が好き", ["猫", "が", "好", "き"]),
        ("GPT4は良い", ["GPT4", "は", "良", "い"]),
        ("हिन्दी में", ["हिन्दी", " ", "में"]),
        ("👩‍👩‍👧!", ["👩‍👩‍👧", "!"]),
        ("e\u0301 x", ["e\u0301", " ", "x"]),
        ("snake_case 1.5", ["snake_case", " ", "1", ".", "5"]),
    ],
)
def test_words_are_cut_where_readers_see_them(text, expected):
    assert words(text) == expected


def test_near_identical_answers_have_a_difference_and_others_have_none():
    answer = " ".join(f"word{n}" for n in range(40))
    near = answer.replace("word7 ", "seven ").replace("word30", "thirty")
    far = " ".join(f"word{n}" if n % 2 else f"other{n}" for n in range(40))

    assert similarity(near_difference(answer, near)) == pytest.approx(38 / 40)
    assert near_difference(answer, far) is None


@pytest.mark.parametrize(("changed", "is_near"), [(30, True), (31, False)])
def test_the_threshold_is_the_share_of_words_in_both(changed, is_near):
    one = [f"w{n}" for n in range(100)]
    other = [f"x{n}" for n in range(changed)] + one[changed:]

    assert pytest.approx(0.7) == NEAR
    assert (near_difference(" ".join(one), " ".join(other)) is not None) is is_near


def test_texts_that_are_too_long_have_no_difference():
    fits = "a " * (MOST_WORDS // 4)

    assert near_difference(fits, fits.replace("a", "b", 1)) is not None
    assert near_difference(fits + "a", fits.replace("a", "b", 1)) is None


def test_texts_with_too_many_edits_have_no_difference():
    one = " ".join(f"w{n}" for n in range(MOST_EDITS))

    assert difference(one, one.replace("w", "x")) is None


HALF = MOST_WORDS // 4
WORST = {
    "one word": ("a " * HALF, "a b " * (HALF // 2)),
    "alternating": ("a b " * (HALF // 2), "b a " * (HALF // 2)),
    "shifted": ("a b c d e " * (HALF // 5), "e a b c d " * (HALF // 5)),
    "same words, other order": (
        " ".join(f"w{n}" for n in range(HALF)),
        " ".join(f"w{(n * 7) % HALF}" for n in range(HALF)),
    ),
    "few words": ("a b b a " * (HALF // 4), "b a a b " * (HALF // 4)),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_texts_take_bounded_work(name):
    one, other = WORST[name]
    lines = 0

    def count(frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return count

    previous = sys.gettrace()
    sys.settrace(count)
    try:
        near_difference(one, other)
    finally:
        sys.settrace(previous)

    assert lines < 4_000_000


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_texts_give_back_both(one, other):
    runs = difference(one, other)

    assert (before(runs), after(runs)) == (one, other)
