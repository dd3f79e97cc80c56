import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.aggregation import pseudo_votes
from app.domain.overlap import Vote, certainty, project_agreement, strengths_conflict, wants_another

FIRST, SECOND, TIE, BAD = Vote("first", 2), Vote("second", 2), Vote("tie", 0), Vote("both_bad", 0)
VOTES = st.lists(
    st.one_of(st.builds(Vote, st.sampled_from(["first", "second"]), st.integers(1, 3)), st.sampled_from([TIE, BAD])),
    min_size=1,
    max_size=9,
)


def adaptive(dice, shares, *, least, most):
    """(votes used, whether the side in front is the likelier one) for each share of people who prefer the first."""
    used, right = [], []
    for share in shares:
        votes = []
        while len(votes) < least or wants_another(
            votes, agreement=0.73, strength_steps=1, n_target=len(votes), max_overlap=most
        ):
            votes.append(Vote("first" if dice.random() < share else "second", 1))
        n_first = sum(vote.choice == "first" for vote in votes)
        used.append(len(votes))
        right.append(0.5 if 2 * n_first == len(votes) else float((2 * n_first > len(votes)) == (share > 0.5)))
    return np.array(used), np.array(right)


def within_three_errors(values, expected):
    return abs(values.mean() - expected) < 3 * values.std() / np.sqrt(len(values))


def test_two_to_seven_votes_cost_3_12_and_name_the_side_as_often_as_five():
    a = pseudo_votes(0.73)
    shares = np.random.default_rng(4).beta(a, a, 20_000)
    used, right = adaptive(random.Random(4), shares, least=2, most=7)
    _, by_five = adaptive(random.Random(5), shares, least=5, most=5)
    assert within_three_errors(used, 3.12)
    assert within_three_errors(right, 0.885)
    assert within_three_errors(by_five, 0.885)
    assert used.min() == 2
    assert used.max() == 7


@pytest.mark.parametrize(
    ("votes", "sure"),
    [
        ([FIRST, FIRST], 0.9144),
        ([FIRST, FIRST, SECOND], 0.7072),
        ([SECOND] * 3 + [FIRST], 0.8343),
        ([FIRST] * 4 + [SECOND], 0.9083),
        ([FIRST, SECOND], 0.5),
        ([TIE, BAD], 0.9144),
        ([TIE, TIE, FIRST], 0.7072),
    ],
)
def test_certainty_is_the_half_above_one_half_of_the_posterior(votes, sure):
    assert certainty(votes, 0.73) == pytest.approx(sure, abs=2e-4)


@given(votes=VOTES, agreement=st.floats(0.55, 0.99))
def test_certainty_does_not_know_left_from_right(votes, agreement):
    turned = [
        Vote({"first": "second", "second": "first"}.get(vote.choice, vote.choice), vote.strength) for vote in votes
    ]
    assert certainty(turned, agreement) == pytest.approx(certainty(votes, agreement))
    assert 0.5 <= certainty(votes, agreement) <= 1
    assert strengths_conflict(turned, 3) == strengths_conflict(votes, 3)


@given(votes=VOTES, more=st.integers(1, 4))
def test_another_vote_for_the_side_in_front_never_makes_less_sure(votes, more):
    n_first = sum(vote.choice == "first" for vote in votes)
    n_second = sum(vote.choice == "second" for vote in votes)
    if n_first >= n_second and len(votes) - n_first - n_second <= n_first:
        assert certainty(votes + [FIRST] * more, 0.73) >= certainty(votes, 0.73)


def test_people_who_agree_more_need_fewer_votes():
    assert certainty([FIRST, FIRST], 0.65) < 0.9 < certainty([FIRST, FIRST], 0.8)


def test_few_pairs_say_little_about_a_project():
    assert project_agreement(0, 0) == pytest.approx(0.73)
    assert project_agreement(1, 2) == pytest.approx(0.709, abs=1e-3)
    assert project_agreement(900, 1000) == pytest.approx(0.897, abs=1e-3)


@pytest.mark.parametrize(
    ("strengths", "conflict"),
    [
        ([3, 3, -3], True),  # 6 of 9
        ([1, 1, -1], False),  # opposed, but slightly
        ([1, 1, 1, 1, -3], True),  # four slight votes do not outweigh one strong
        ([3, 3, 3, -3], False),  # three quarters
        ([3, 1], False),  # the same side
        ([3, 0, 0], False),
    ],
)
def test_strengths_conflict_while_neither_side_carries_three_quarters(strengths, conflict):
    votes = [Vote("tie" if not s else "second" if s > 0 else "first", abs(s)) for s in strengths]
    assert strengths_conflict(votes, 3) is conflict


def test_no_more_are_asked_for_beyond_the_most():
    split = [FIRST, SECOND]
    assert wants_another(split, agreement=0.73, strength_steps=3, n_target=2, max_overlap=3)
    assert not wants_another(split, agreement=0.73, strength_steps=3, n_target=3, max_overlap=3)
    assert not wants_another([FIRST] * 3, agreement=0.73, strength_steps=3, n_target=3, max_overlap=5)
    assert wants_another(
        [Vote("second", 1)] * 6 + [Vote("first", 3)], agreement=0.73, strength_steps=3, n_target=7, max_overlap=9
    )
