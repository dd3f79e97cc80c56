import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import assignment

ANSWERS = st.one_of(st.integers(-4, 4), st.just("both_bad"))


@given(answer=ANSWERS, is_swapped=st.booleans())
def test_an_answer_comes_back_as_it_was_shown(answer, is_swapped):
    choice, strength = assignment.from_shown(answer, is_swapped=is_swapped)
    assert assignment.as_shown(choice, strength, is_swapped=is_swapped) == answer


@given(answer=st.integers(-4, 4))
def test_the_mirrored_answer_on_swapped_sides_is_the_same_judgement(answer):
    assert assignment.from_shown(answer, is_swapped=False) == assignment.from_shown(-answer, is_swapped=True)


@pytest.mark.parametrize(
    ("answer", "is_swapped", "judged"),
    [
        (-3, False, ("first", 3)),
        (-3, True, ("second", 3)),
        (2, False, ("second", 2)),
        (2, True, ("first", 2)),
        (0, True, ("tie", 0)),
        ("both_bad", True, ("both_bad", 0)),
    ],
)
def test_left_is_the_first_response_unless_swapped(answer, is_swapped, judged):
    assert assignment.from_shown(answer, is_swapped=is_swapped) == judged


@pytest.mark.parametrize(
    ("has_lease", "n_counted", "others", "n_target", "counted"),
    [
        (True, 0, 0, 1, True),
        (True, 1, 1, 2, True),  # a lease is a place kept, even when an admin lowered the target beneath the leases
        (True, 2, 0, 2, False),  # the target was lowered to what is there
        (False, 0, 0, 1, True),  # late, and nobody took the place
        (False, 0, 1, 1, False),  # late, and somebody is at work on it
        (False, 1, 0, 1, False),  # late, and somebody has filled it
        (False, 1, 1, 3, True),
    ],
)
def test_which_answers_count(has_lease, n_counted, others, n_target, counted):
    assert (
        assignment.is_counted(has_lease=has_lease, n_counted=n_counted, n_leased_by_others=others, n_target=n_target)
        is counted
    )


def test_the_gold_rate_is_kept_over_many_servings():
    dice = random.Random(5)
    share = sum(assignment.wants_gold(dice, 0.1) for _ in range(20_000)) / 20_000
    assert 0.09 < share < 0.11


def test_no_gold_without_a_rate():
    dice = random.Random(5)
    assert not any(assignment.wants_gold(dice, 0.0) for _ in range(1_000))


def test_sides_are_swapped_about_half_the_time():
    dice = random.Random(5)
    assert 0.48 < sum(assignment.wants_swap(dice) for _ in range(20_000)) / 20_000 < 0.52
