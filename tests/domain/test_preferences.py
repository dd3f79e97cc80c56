"""Canonical preferences: swapping sides or storage order must never change what was said."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.preferences import (
    CanonicalPreference,
    best_pairs,
    ranking_pairs,
    rating_pairs,
    shown_order,
    to_preferences,
    to_side,
    unswap,
    vote_value,
)

SIDES = st.sampled_from(["left", "right", "tie", "both_bad"])
CHOICES = st.sampled_from(["first", "second", "tie", "both_bad"])
MIRROR = {"first": "second", "second": "first", "left": "right", "right": "left"}
PAIRS = st.lists(st.integers(1, 2**62), min_size=2, max_size=2, unique=True)


def strength_for(choice: str, strength: int) -> int:
    return strength if choice in ("first", "second") else 0


def test_a_strong_vote_for_the_first_speaks_for_the_lower_id():
    assert to_preferences("first", 3, 10, 20) == CanonicalPreference(10, 20, 3, is_both_bad=False)


def test_the_sign_turns_when_the_first_response_has_the_higher_id():
    assert to_preferences("first", 3, 20, 10) == CanonicalPreference(10, 20, -3, is_both_bad=False)


def test_tie_and_both_bad_are_told_apart():
    assert to_preferences("tie", 0, 1, 2) == CanonicalPreference(1, 2, 0, is_both_bad=False)
    assert to_preferences("both_bad", 0, 1, 2) == CanonicalPreference(1, 2, 0, is_both_bad=True)


@given(CHOICES, st.integers(1, 4), PAIRS)
def test_storing_the_pair_the_other_way_round_says_the_same(choice, strength, pair):
    first, second = pair
    given_strength = strength_for(choice, strength)
    mirrored = MIRROR.get(choice, choice)
    assert to_preferences(choice, given_strength, first, second) == to_preferences(
        mirrored, given_strength, second, first
    )


@given(SIDES, st.integers(1, 4), PAIRS, st.booleans())
def test_showing_the_pair_the_other_way_round_says_the_same(side, strength, pair, is_swapped):
    first, second = pair
    choice = unswap(side, is_swapped=is_swapped)
    other = unswap(MIRROR.get(side, side), is_swapped=not is_swapped)
    assert choice == other
    assert to_preferences(choice, strength_for(choice, strength), first, second) == to_preferences(
        other, strength_for(other, strength), first, second
    )


@given(SIDES, st.booleans())
def test_a_stored_answer_stands_again_where_it_was_given(side, is_swapped):
    assert to_side(unswap(side, is_swapped=is_swapped), is_swapped=is_swapped) == side


@given(CHOICES, st.integers(1, 4), PAIRS)
def test_the_responses_are_in_canonical_order(choice, strength, pair):
    found = to_preferences(choice, strength_for(choice, strength), *pair)
    assert found.low_response_id < found.high_response_id
    assert abs(found.signed_strength) == strength_for(choice, strength)


@given(st.integers(1, 4).flatmap(lambda steps: st.tuples(st.integers(-steps, steps), st.just(steps))))
def test_vote_values_are_shares_and_opposite_votes_add_up_to_one(case):
    signed, steps = case
    assert 0 <= vote_value(signed, steps) <= 1
    assert vote_value(signed, steps) + vote_value(-signed, steps) == pytest.approx(1)


def test_vote_values_by_hand():
    assert [vote_value(s, 3) for s in (-3, -1, 0, 3)] == pytest.approx([0, 1 / 3, 0.5, 1])
    assert vote_value(1, 1) == 1


@pytest.mark.parametrize(
    ("choice", "strength", "first", "second"),
    [
        ("first", 0, 1, 2),
        ("tie", 1, 1, 2),
        ("both_bad", 2, 1, 2),
        ("first", -1, 1, 2),
        ("left", 1, 1, 2),
        ("first", 1, 7, 7),
    ],
)
def test_what_makes_no_sense_is_refused(choice, strength, first, second):
    with pytest.raises(ValueError, match=r"strength|choice|itself"):
        to_preferences(choice, strength, first, second)


def test_unknown_sides_and_scales_are_refused():
    with pytest.raises(ValueError, match="side"):
        unswap("middle", is_swapped=False)
    with pytest.raises(ValueError, match="choice"):
        to_side("left", is_swapped=False)
    with pytest.raises(ValueError, match="scale"):
        vote_value(3, 2)


@st.composite
def rankings(draw):
    """Places from the best, of two to nine responses with ids in any order."""
    ids = draw(st.lists(st.integers(1, 10_000), min_size=2, max_size=9, unique=True))
    place = [draw(st.integers(1, len(ids))) for _ in ids]
    return [[one for one, at in zip(ids, place, strict=True) if at == wanted] for wanted in sorted(set(place))]


@given(rankings())
def test_a_ranking_says_one_thing_about_each_pair_and_agrees_with_its_places(places):
    ids = [response_id for tied in places for response_id in tied]
    place_of = {response_id: place for place, tied in enumerate(places) for response_id in tied}
    pairs = ranking_pairs(places)
    assert len(pairs) == len(ids) * (len(ids) - 1) // 2
    assert len({(pair.low_response_id, pair.high_response_id) for pair in pairs}) == len(pairs)
    for pair in pairs:
        below = place_of[pair.high_response_id] - place_of[pair.low_response_id]
        assert pair.signed_strength == (below > 0) - (below < 0)
        assert not pair.is_both_bad


@given(st.dictionaries(st.integers(1, 10_000), st.integers(1, 7), min_size=1, max_size=9))
def test_ratings_say_by_how_many_points_one_is_above_the_other(ratings):
    pairs = rating_pairs(ratings)
    assert len(pairs) == len(ratings) * (len(ratings) - 1) // 2
    for pair in pairs:
        assert pair.signed_strength == ratings[pair.low_response_id] - ratings[pair.high_response_id]


def test_naming_the_best_says_nothing_about_the_others():
    assert best_pairs(7, [9, 7, 3]) == [
        CanonicalPreference(7, 9, 1, is_both_bad=False),
        CanonicalPreference(3, 7, -1, is_both_bad=False),
    ]
    assert [pair.signed_strength for pair in best_pairs(None, [9, 7, 3])] == [0, 0, 0]
    with pytest.raises(ValueError, match="none of those"):
        best_pairs(8, [9, 7])


def test_a_response_has_one_place_in_a_ranking():
    with pytest.raises(ValueError, match="twice"):
        ranking_pairs([[1], [2, 1]])


@given(st.integers(0, 9), st.booleans(), st.binary(min_size=16, max_size=16))
def test_each_response_is_shown_once_and_the_same_lease_shows_the_same_order(n, is_swapped, serving):
    order = shown_order(n, is_swapped=is_swapped, serving=serving)
    assert sorted(order) == list(range(n))
    assert order == shown_order(n, is_swapped=is_swapped, serving=serving)


def test_every_order_of_three_is_shown_about_as_often():
    """6,000 servings of 6 orders: 1,000 each, three standard deviations are 87."""
    orders = Counter(tuple(shown_order(3, is_swapped=False, serving=n.to_bytes(16, "big"))) for n in range(6000))
    assert len(orders) == 6
    assert all(abs(n - 1000) < 87 for n in orders.values())
