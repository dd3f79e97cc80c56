"""Answers to tasks whose answer is known: who is bad (SPRT), and who became bad (CUSUM).

Both are folds over an annotator's golds in the order of answering: `add` takes one more, and the state after all of
them is that of `sprt` or `cusum` over the list. A gold that is taken back (a won appeal, a retired gold) is left out of
the list and the list is folded again: what was decided on the way depends on the order.

Sources: Wald, "Sequential tests of statistical hypotheses" (1945); Page, "Continuous inspection schemes" (1954), whose
score is the same log-likelihood ratio, held at zero from below.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Verdict(StrEnum):
    OPEN = "open"
    BLOCKED = "blocked"
    PASSED = "passed"
    UNDECIDED = "undecided"
    """As many golds as the test may take, and neither wall was reached."""


@dataclass(frozen=True, slots=True)
class Sprt:
    """Right with probability `bad` against `good`; `alpha` of the good ones are blocked, `beta` of the bad ones passed.

    With the numbers that stand here a right answer scores -.348, a wrong one +.981; 4.554 blocks and -2.986 passes.
    """

    bad: float = 0.60
    good: float = 0.85
    alpha: float = 0.01
    beta: float = 0.05
    longest: int = 60

    @property
    def right_step(self) -> float:
        return math.log(self.bad / self.good)

    @property
    def wrong_step(self) -> float:
        return math.log((1 - self.bad) / (1 - self.good))

    @property
    def blocks_at(self) -> float:
        return math.log((1 - self.beta) / self.alpha)

    @property
    def passes_at(self) -> float:
        return math.log(self.beta / (1 - self.alpha))


@dataclass(frozen=True, slots=True)
class SprtState:
    """`score` between the walls after `n` golds; once there is a verdict, nothing changes any more."""

    n: int = 0
    n_wrong: int = 0
    verdict: Verdict = Verdict.OPEN
    score: float = 0.0

    def add(self, *, is_right: bool, test: Sprt) -> SprtState:
        if self.verdict is not Verdict.OPEN:
            return self
        n, n_wrong = self.n + 1, self.n_wrong + (not is_right)
        score = (n - n_wrong) * test.right_step + n_wrong * test.wrong_step
        if score >= test.blocks_at:
            verdict = Verdict.BLOCKED
        elif score <= test.passes_at:
            verdict = Verdict.PASSED
        else:
            verdict = Verdict.UNDECIDED if n >= test.longest else Verdict.OPEN
        return SprtState(n, n_wrong, verdict, score)


def sprt(outcomes: Iterable[bool], *, test: Sprt | None = None) -> SprtState:
    """The state after these golds, right or wrong, in the order of answering."""
    state, test = SprtState(), test or Sprt()
    for is_right in outcomes:
        state = state.add(is_right=is_right, test=test)
    return state


@dataclass(frozen=True, slots=True)
class Cusum:
    """Raises an alarm when the score reaches `h`; good is right with probability `good`, worse with `bad`.

    The published run lengths (1,463 golds between false alarms at .88, 25 golds of delay after a fall to .65) do not
    name the score. These two probabilities give them; .65 as `bad` gives 1,780 and 26, .60 gives 1,545 and 25.
    """

    good: float = 0.88
    bad: float = 0.62
    h: float = 5.0

    @property
    def right_step(self) -> float:
        return math.log(self.bad / self.good)

    @property
    def wrong_step(self) -> float:
        return math.log((1 - self.bad) / (1 - self.good))


@dataclass(frozen=True, slots=True)
class CusumState:
    """`alarm_at` is the number of the gold that raised the alarm, which stays until somebody starts anew.

    `change_at` is how many golds had been answered when the score last left zero: the likeliest time of the change.
    """

    n: int = 0
    score: float = 0.0
    change_at: int = 0
    alarm_at: int | None = None

    def add(self, *, is_right: bool, chart: Cusum) -> CusumState:
        n = self.n + 1
        if self.alarm_at is not None:
            return replace(self, n=n)
        score = self.score + (chart.right_step if is_right else chart.wrong_step)
        if score <= 0:
            return CusumState(n, 0.0, n)
        return CusumState(n, score, self.change_at, n if score >= chart.h else None)


def cusum(outcomes: Iterable[bool], *, chart: Cusum | None = None) -> CusumState:
    """The state after these golds, right or wrong, in the order of answering."""
    state, chart = CusumState(), chart or Cusum()
    for is_right in outcomes:
        state = state.add(is_right=is_right, chart=chart)
    return state


def sprt_paths(is_right: NDArray[np.bool_], *, test: Sprt | None = None) -> tuple[Ints, Ints]:
    """Many annotators at once: (1 blocked, -1 passed, 0 neither), and the golds it took, (annotators,) each.

    `is_right` (annotators, golds) is in the order of answering. Without a decision the number of golds is that of the
    columns, at most `test.longest`.
    """
    test = test or Sprt()
    right = np.cumsum(is_right[:, : test.longest], axis=1)
    golds = np.arange(1, right.shape[1] + 1)
    scores = right * test.right_step + (golds - right) * test.wrong_step
    is_over = (scores >= test.blocks_at) | (scores <= test.passes_at)
    at = np.where(is_over.any(axis=1), is_over.argmax(axis=1), right.shape[1] - 1)
    last = scores[np.arange(len(scores)), at]
    return (last >= test.blocks_at).astype(np.int64) - (last <= test.passes_at), at + 1


def cusum_paths(is_right: NDArray[np.bool_], *, chart: Cusum | None = None) -> Floats:
    """The scores after each gold, (annotators, golds), as if an alarm changed nothing."""
    chart = chart or Cusum()
    sums = np.cumsum(np.where(is_right, chart.right_step, chart.wrong_step), axis=1)
    return np.asarray(sums - np.minimum(np.minimum.accumulate(sums, axis=1), 0.0), dtype=np.float64)
