"""Choices and rankings against choix, its own cases, and Bradley-Terry."""

import json

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.ranking import bradley_terry as bt
from app.domain.ranking import plackett_luce as pl
from app.domain.ranking.comparisons import WIN, tally


@pytest.mark.real_data
@pytest.mark.parametrize("case", ["rankings-1", "rankings-2", "top1-1", "top1-2"])
def test_choix_own_cases(real_data, case):
    told = json.loads((real_data / "choix_cases" / f"testcase-{case}.json").read_text())
    make = pl.from_rankings if case.startswith("rankings") else pl.from_sets
    found = pl.fit(make(told["data"], n_players=told["n_items"]))
    assert found == pytest.approx(told["ml_est"], abs=1e-4)  # theirs stopped some 3e-5 before the top


@given(
    st.lists(
        st.permutations(range(5)).flatmap(lambda r: st.integers(2, 5).map(lambda n: r[:n])), min_size=3, max_size=20
    )
)
@settings(max_examples=20, deadline=None)
def test_strengths_with_a_ridge_are_those_of_choix(rankings):
    ours = pl.fit(pl.from_rankings(rankings, n_players=5), ridge=0.5)
    assert ours == pytest.approx(choix.opt_rankings(5, rankings, alpha=0.25, tol=1e-10), abs=1e-4)


def test_sets_of_two_are_bradley_terry():
    rng = np.random.default_rng(1)
    winners = rng.integers(4, size=200)
    losers = (winners + rng.integers(1, 4, size=200)) % 4
    pairs = list(zip(winners.tolist(), losers.tolist(), strict=True))
    ours = pl.fit(pl.from_rankings(pairs, n_players=4))
    assert ours == pytest.approx(bt.fit(tally(winners, losers, np.full(200, WIN), n_players=4)).strengths, abs=1e-8)


def test_who_never_comes_first_of_the_rest_has_no_strength():
    with pytest.raises(bt.NotEstimable, match=r"players 0 never lost .* players 3 never won"):
        pl.fit(pl.from_rankings([[0, 1, 2, 3], [0, 2, 1, 3]], n_players=4))
    with pytest.raises(ValueError, match="twice"):
        pl.from_rankings([[0, 1, 1]], n_players=2)
