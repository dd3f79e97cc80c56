"""What a comparison's outcome depends on: the difference d of two strengths (logits), and how easily a tie is given.

Each model gives, for differences (rows,), its tie parameter and counts (3, rows) of (win, loss, tie), the
log-likelihood with its derivatives, and for intervals the derivatives of single outcomes. Where a model has no tie
parameter, derivatives by it are zero.

Sources: Bradley and Terry (1952); Davidson, "On extending the Bradley-Terry model to accommodate ties in paired
comparison experiments" (1970), where a tie has the weight nu sqrt(pi_i pi_j) beside pi_i and pi_j; Rao and Kupper,
"Ties in paired-comparison experiments" (1967), where the first wins with pi_i / (pi_i + kappa pi_j).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FURTHEST = 600.0
"""Differences of strengths beyond this are as good as infinite, and exp() would overflow."""


class Terms(NamedTuple):
    """The log-likelihood; its slopes by each row's difference (rows,) and by the tie parameter; minus its second
    derivatives: by the difference (rows,), by difference and tie (rows,), by the tie parameter.
    """

    value: float
    slope: Floats
    tie_slope: float
    information: Floats
    mixed: Floats
    tie_information: float


class Slopes(NamedTuple):
    """Derivatives of the log-probabilities of (win, loss, tie), (3, rows), by the difference and the tie parameter."""

    by_difference: Floats
    by_tie: Floats


class TieModel(Protocol):
    """`start` is where the search for the tie parameter begins, None where the model has none."""

    start: float | None

    def terms(self, d: Floats, tie: float, counts: Floats) -> Terms | None:
        """None where the tie parameter is out of its range."""

    def slopes(self, d: Floats, tie: float) -> Slopes: ...


class HalfWins:
    """Bradley and Terry; a tie is half a win for either side."""

    start: float | None = None

    def terms(self, d: Floats, tie: float, counts: Floats) -> Terms | None:  # noqa: ARG002 - the shape of all
        n = counts.sum(axis=0)
        won = counts[0] + counts[2] / 2
        odds = _exp(d)
        p = odds / (1 + odds)
        value = float(won @ d - n @ np.log1p(odds))
        return Terms(value, won - n * p, 0.0, n * p * (1 - p), np.zeros(len(d)), 0.0)

    def slopes(self, d: Floats, tie: float) -> Slopes:  # noqa: ARG002
        odds = _exp(d)
        p = odds / (1 + odds)
        return Slopes(np.stack([1 - p, -p, 0.5 - p]), np.zeros((3, len(d))))


class Davidson:
    """The tie parameter is log nu; equals tie with probability nu / (2 + nu)."""

    start: float | None = 0.0

    def terms(self, d: Floats, tie: float, counts: Floats) -> Terms | None:
        n = counts.sum(axis=0)
        mean, tied, log_total = self._parts(d, tie)
        balance = (counts[0] - counts[1]) / 2
        value = float(balance @ d + tie * counts[2].sum() - n @ log_total)
        return Terms(
            value,
            balance - n * mean,
            float(counts[2].sum() - n @ tied),
            n * ((1 - tied) / 4 - mean**2),
            -n * mean * tied,
            float(n @ (tied * (1 - tied))),
        )

    def slopes(self, d: Floats, tie: float) -> Slopes:
        mean, tied, _ = self._parts(d, tie)
        return Slopes(np.stack([0.5 - mean, -0.5 - mean, -mean]), np.stack([-tied, -tied, 1 - tied]))

    @staticmethod
    def _parts(d: Floats, tie: float) -> tuple[Floats, Floats, Floats]:
        """(half the difference of the chances to win and to lose, the chance of a tie, log of the weights' sum)."""
        won = _exp(d / 2)
        lost = 1 / won
        nu = float(np.exp(tie))
        total = won + lost + nu
        return (won - lost) / (2 * total), nu / total, np.log(total)


class RaoKupper:
    """The tie parameter is log kappa, above zero; equals tie with probability (kappa - 1) / (kappa + 1)."""

    start: float | None = 0.5

    def terms(self, d: Floats, tie: float, counts: Floats) -> Terms | None:
        if tie <= 0:
            return None
        # A tie is both: the first did not lose clearly, and the second did not.
        ahead, behind, ties = counts[0] + counts[2], counts[1] + counts[2], float(counts[2].sum())
        away, back = _exp(tie - d), _exp(tie + d)
        not_won, not_lost = away / (1 + away), back / (1 + back)
        value = -ahead @ np.log1p(away) - behind @ np.log1p(back) + ties * np.log(np.expm1(2 * tie))
        won, lost = ahead * not_won * (1 - not_won), behind * not_lost * (1 - not_lost)
        return Terms(
            float(value),
            ahead * not_won - behind * not_lost,
            float(-ahead @ not_won - behind @ not_lost - ties * 2 / np.expm1(-2 * tie)),
            won + lost,
            lost - won,
            float((won + lost).sum() + ties * 4 * np.exp(2 * tie) / np.expm1(2 * tie) ** 2),
        )

    def slopes(self, d: Floats, tie: float) -> Slopes:
        away, back = _exp(tie - d), _exp(tie + d)
        not_won, not_lost = away / (1 + away), back / (1 + back)
        by_tie = -not_won - not_lost - 2 / np.expm1(-2 * tie)
        return Slopes(np.stack([not_won, -not_lost, not_won - not_lost]), np.stack([-not_won, -not_lost, by_tie]))


def _exp(x: Floats) -> Floats:
    return np.asarray(np.exp(np.clip(x, -_FURTHEST, _FURTHEST)), dtype=np.float64)
