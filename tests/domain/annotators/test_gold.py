"""The tests over golds: their walls, and that one by one, all at once and after a retraction they say the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.annotators.gold import Cusum, CusumState, Sprt, SprtState, Verdict, cusum, cusum_paths, sprt, sprt_paths

outcomes = st.lists(st.booleans(), max_size=80)


def test_steps_and_walls_of_the_design():
    test = Sprt()
    assert (test.right_step, test.wrong_step) == (pytest.approx(-0.348, abs=5e-4), pytest.approx(0.981, abs=5e-4))
    assert (test.blocks_at, test.passes_at) == (pytest.approx(4.554, abs=5e-4), pytest.approx(-2.986, abs=5e-4))


def test_nine_right_answers_pass_and_five_wrong_ones_block():
    assert sprt([True] * 8).verdict is Verdict.OPEN
    assert sprt([True] * 9).verdict is Verdict.PASSED
    assert sprt([False] * 4).verdict is Verdict.OPEN
    assert sprt([False] * 5).verdict is Verdict.BLOCKED
    assert sprt([False] * 5 + [True] * 30).n == 5  # a verdict stands


def test_sixty_golds_without_a_verdict_are_the_end():
    undecided = sprt([False, True, True, True] * 20)
    assert (undecided.verdict, undecided.n) == (Verdict.UNDECIDED, 60)


@given(outcomes)
def test_one_by_one_is_all_at_once(drawn):
    state = SprtState()
    for is_right in drawn:
        state = state.add(is_right=is_right, test=Sprt())
    assert state == sprt(drawn)
    if drawn:
        verdict, n = sprt_paths(np.array([drawn]))
        code = {Verdict.BLOCKED: 1, Verdict.PASSED: -1}.get(state.verdict, 0)
        assert (int(verdict[0]), int(n[0])) == (code, state.n)


@given(outcomes, st.booleans())
def test_cusum_one_by_one_is_all_at_once(drawn, starts_right):
    drawn = [starts_right, *drawn]
    chart, state = Cusum(), CusumState()
    for is_right in drawn:
        state = state.add(is_right=is_right, chart=chart)
    assert state == cusum(drawn)
    path = cusum_paths(np.array([drawn]))[0]
    alarms = np.flatnonzero(path >= chart.h)
    assert state.alarm_at == (int(alarms[0]) + 1 if len(alarms) else None)
    assert state.n == len(drawn)


def test_cusum_says_since_when_somebody_is_worse():
    state = cusum([True] * 30 + [False, False, True, False, False, False])
    assert (state.change_at, state.alarm_at) == (30, 36)


def test_a_gold_that_is_taken_back_may_undo_the_verdict():
    answers = [False] * 5
    assert sprt(answers).verdict is Verdict.BLOCKED
    assert sprt(answers[:2] + answers[3:]).verdict is Verdict.OPEN
