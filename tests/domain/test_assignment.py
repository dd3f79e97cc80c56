import random
from collections import Counter

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


def test_gold_and_repeats_come_at_their_rates_over_many_servings():
    dice = random.Random(5)
    drawn = Counter(assignment.draw_source(dice, gold_rate=0.04, repeat_rate=0.1) for _ in range(50_000))
    assert drawn["gold"] / 50_000 == pytest.approx(0.04, abs=0.003)
    assert drawn["repeat"] / 50_000 == pytest.approx(0.10, abs=0.004)


def test_without_rates_everything_comes_from_the_queue():
    dice = random.Random(5)
    assert {assignment.draw_source(dice, gold_rate=0.0, repeat_rate=0.0) for _ in range(1_000)} == {"queue"}


@pytest.mark.parametrize(
    ("of_project", "of_person", "rate"), [(0.04, None, 0.04), (0.04, 0.2, 0.2), (0.04, 0.0, 0.0), (0.04, 0.9, 0.5)]
)
def test_quality_control_sets_the_rate_of_a_person(of_project, of_person, rate):
    assert assignment.gold_rate(of_project=of_project, of_person=of_person) == rate


@pytest.mark.parametrize(
    ("of_project", "of_person", "given", "reached"),
    [(None, None, 9, False), (10, None, 9, False), (10, None, 10, True), (10, 20, 10, False), (None, 0, 0, True)],
)
def test_an_own_quota_takes_the_place_of_the_projects(of_project, of_person, given, reached):
    assert assignment.is_reached(assignment.quota_of(of_project, of_person), given) is reached


@pytest.mark.parametrize(("code", "language"), [("pt-BR", "pt"), ("EN", "en"), ("zh_Hant", "zh"), (" de ", "de")])
def test_languages_meet_wherever_they_are_spoken(code, language):
    assert assignment.main_language(code) == language


@pytest.mark.parametrize(
    ("place", "overlap", "own_overlap", "escalated"),
    [(1, 2, 0, False), (2, 2, 0, True), (4, 2, 5, False), (5, 2, 5, True)],
)
def test_what_lies_beyond_policy_and_import_was_asked_for_later(place, overlap, own_overlap, escalated):
    assert assignment.is_escalation(place=place, overlap=overlap, own_overlap=own_overlap) is escalated


def test_sides_are_swapped_about_half_the_time():
    dice = random.Random(5)
    assert 0.48 < sum(assignment.wants_swap(dice) for _ in range(20_000)) / 20_000 < 0.52
