"""Bradley-Terry against textbooks, choix and statsmodels; ties, ridge, style, what cannot be ranked, intervals."""

import json

import choix
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from app.domain.ranking import bradley_terry as bt
from app.domain.ranking import uncertainty as un
from app.domain.ranking.comparisons import (
    LOSS,
    TIE,
    WIN,
    Comparisons,
    connectivity,
    one_by_one,
    relative_differences,
    tally,
)

# American League East, 1987 (Agresti, Categorical Data Analysis, 1990): who beat whom how often.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
# Stigler 1994: citations of the column's journal in the row's count against it (here: the row is the one cited).
CITATIONS = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]


def of_table(wins) -> Comparisons:
    wins = np.array(wins, dtype=float)
    first, second = np.triu_indices(len(wins), 1)
    counts = np.stack([wins[first, second], wins[second, first], np.zeros(len(first))])
    return Comparisons(len(wins), first, second, counts, np.zeros((len(first), 0)))


def test_agrestis_baseball():
    found = bt.fit(of_table(BASEBALL)).strengths
    logits = dict(zip(TEAMS, found - found[-1], strict=True))
    assert logits == pytest.approx(
        {
            "Milwaukee": 1.581,
            "Detroit": 1.436,
            "Toronto": 1.294,
            "New York": 1.248,
            "Boston": 1.108,
            "Cleveland": 0.684,
            "Baltimore": 0.0,
        },
        abs=5e-4,
    )


def test_stiglers_citations():
    found = bt.fit(of_table(CITATIONS)).strengths
    assert found - found[0] == pytest.approx([0, -2.949, -0.480, 0.269], abs=5e-4)


@pytest.mark.real_data
@pytest.mark.parametrize("case", ["testcase-pairwise-1", "testcase-pairwise-2"])
def test_choix_own_cases(real_data, case):
    told = json.loads((real_data / "choix_cases" / f"{case}.json").read_text())
    winners, losers = np.array(told["data"]).T
    found = bt.fit(tally(winners, losers, np.full(len(winners), WIN), n_players=told["n_items"]))
    assert found.strengths == pytest.approx(told["ml_est"], abs=1e-6)


votes = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from([WIN, TIE, LOSS])), min_size=8, max_size=60
)


def arrays(drawn):
    first = np.array([a for a, _, _ in drawn])
    second = np.array([(a + step) % 5 for a, step, _ in drawn])
    return first, second, np.array([outcome for _, _, outcome in drawn])


@given(votes)
@settings(max_examples=15, deadline=None)
def test_strengths_are_those_of_choix(drawn):
    first, second, outcomes = arrays([(a, step, WIN if outcome == TIE else outcome) for a, step, outcome in drawn])
    counted = tally(first, second, outcomes, n_players=5)
    winners, losers = np.where(outcomes == WIN, (first, second), (second, first))
    pairs = list(zip(winners.tolist(), losers.tolist(), strict=True))
    if connectivity(counted).is_estimable:
        assert bt.fit(counted).strengths == pytest.approx(choix.opt_pairwise(5, pairs, tol=1e-10), abs=1e-4)
    ridged = bt.fit(counted, ridge=0.5).strengths
    # Their penalty is alpha times the squares, ours half of that.
    assert ridged == pytest.approx(choix.opt_pairwise(5, pairs, alpha=0.25, tol=1e-10), abs=1e-4)


@given(votes, st.sampled_from(["davidson", "rao_kupper", "half"]), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_swapping_sides_renaming_and_the_order_of_votes_change_nothing(drawn, ties, random):
    first, second, outcomes = arrays(drawn)
    renamed = np.array(random.sample(range(5), 5))
    order = np.array(random.sample(range(len(drawn)), len(drawn)))
    is_swapped = np.array([random.random() < 0.5 for _ in drawn])
    left, right = np.where(is_swapped, (second, first), (first, second))
    before = bt.fit(tally(first, second, outcomes, n_players=5), ties=ties, ridge=1.0)
    turned = np.where(is_swapped, -outcomes, outcomes)
    after = bt.fit(
        one_by_one(renamed[left][order], renamed[right][order], turned[order], n_players=5), ties=ties, ridge=1.0
    )
    assert after.strengths[renamed] == pytest.approx(before.strengths, abs=1e-6)
    assert (before.tie is None) == (after.tie is None)
    if before.tie is not None:
        assert after.tie == pytest.approx(before.tie, rel=1e-5)


def simulated(rng, *, n_votes, strengths, nu=0.0, style=None, beta=()):
    n = len(strengths)
    first = rng.integers(n, size=n_votes)
    second = (first + rng.integers(1, n, size=n_votes)) % n
    d = strengths[first] - strengths[second] + (0 if style is None else style @ np.array(beta))
    weights = np.stack([np.exp(d / 2), np.full(n_votes, nu), np.exp(-d / 2)])
    place = (rng.random(n_votes) * weights.sum(axis=0) > np.cumsum(weights, axis=0)).sum(axis=0)
    return first, second, np.array([WIN, TIE, LOSS])[place]


def test_davidsons_model_finds_the_strengths_and_how_easily_ties_are_given():
    truth = np.array([0.9, 0.3, 0.0, -0.4, -0.8])
    drawn = simulated(np.random.default_rng(1), n_votes=40_000, strengths=truth, nu=0.7)
    found = bt.fit(tally(*drawn, n_players=5))
    assert found.strengths == pytest.approx(truth, abs=0.05)
    assert found.tie == pytest.approx(0.7, abs=0.03)


def test_equal_players_tie_as_the_two_models_say():
    """Half of 200 comparisons of equals tied: nu / (2 + nu) = 1/2 gives 2; (kappa - 1) / (kappa + 1) = 1/2 gives 3."""
    equal = Comparisons(2, np.array([0]), np.array([1]), np.array([[50.0], [50], [100]]), np.zeros((1, 0)))
    assert bt.fit(equal, ties="davidson").tie == pytest.approx(2)
    assert bt.fit(equal, ties="rao_kupper").tie == pytest.approx(3)
    assert bt.fit(equal, ties="half").tie is None


def test_rao_kuppers_model_has_the_shares_it_was_given():
    """Two players and two parameters: the fitted shares are the observed ones."""
    counts = np.array([[60.0], [15], [25]])
    found = bt.fit(Comparisons(2, np.array([0]), np.array([1]), counts, np.zeros((1, 0))), ties="rao_kupper")
    first, second = np.exp(found.strengths)
    assert first / (first + found.tie * second) == pytest.approx(0.60)
    assert second / (second + found.tie * first) == pytest.approx(0.15)


@pytest.mark.parametrize("ties", ["davidson", "rao_kupper"])
def test_only_ties_and_no_ties_leave_no_tie_parameter(ties):
    tied = tally(np.array([0, 1]), np.array([1, 2]), np.array([TIE, TIE]), n_players=3)
    assert bt.fit(tied, ties=ties).strengths == pytest.approx([0, 0, 0])
    assert bt.fit(tied, ties=ties).tie is None
    assert bt.fit(of_table(BASEBALL), ties=ties).tie is None


def test_an_undefeated_player_has_no_strength_and_is_named():
    unbeaten = tally(np.array([0, 1, 2, 2]), np.array([1, 2, 1, 3]), np.array([WIN, WIN, WIN, WIN]), n_players=4)
    with pytest.raises(bt.NotEstimable, match=r"players 0 never lost .* players 3 never won") as caught:
        bt.fit(unbeaten)
    assert (caught.value.connectivity.unbeaten, caught.value.connectivity.winless) == ((0,), (3,))
    ridged = bt.fit(unbeaten, ridge=0.1).strengths
    assert ridged.argmax() == 0
    assert ridged.argmin() == 3


def test_a_tie_against_the_undefeated_makes_a_strength_where_it_is_half_a_win_and_not_where_its_ease_is_unknown():
    votes = tally(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([WIN, TIE, TIE]), n_players=2)
    assert bt.fit(votes, ties="half").strengths[0] == pytest.approx(np.log(2) / 2)  # two of three: odds 2
    for ties in ("davidson", "rao_kupper"):
        with pytest.raises(bt.NotEstimable, match="half wins"):
            bt.fit(votes, ties=ties)
        assert bt.fit(votes, ties=ties, ridge=0.1).strengths[0] > 0


def test_groups_that_never_met_are_named():
    apart = tally(np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), np.full(4, WIN), n_players=5)
    with pytest.raises(bt.NotEstimable, match=r"3 groups .*: players 0, 1; players 2, 3; players 4"):
        bt.fit(apart)
    assert connectivity(apart).members() == [[0, 1], [2, 3], [4]]


def test_a_player_against_itself_and_too_many_players_are_refused():
    with pytest.raises(ValueError, match="itself"):
        tally(np.array([1]), np.array([1]), np.array([WIN]), n_players=2)
    with pytest.raises(ValueError, match="5000"):
        bt.fit(tally(np.array([0]), np.array([1]), np.array([WIN]), n_players=5001))


@pytest.fixture(scope="module")
def styled():
    """Votes that depend on four style features as published for Chatbot Arena; (votes, style, outcomes)."""
    rng = np.random.default_rng(5)
    style = rng.normal(size=(6000, 4))
    truth = np.array([0.8, 0.2, -0.3, -0.7])
    first, second, outcomes = simulated(
        rng, n_votes=6000, strengths=truth, style=style, beta=(0.249, 0.031, 0.024, 0.019)
    )
    return one_by_one(first, second, outcomes, n_players=4, style=style), truth


def design(votes):
    players = np.zeros((len(votes.first), votes.n_players))
    players[np.arange(len(votes.first)), votes.first] += 1
    players[np.arange(len(votes.first)), votes.second] -= 1
    return np.hstack([players[:, 1:], votes.style])


def test_style_and_its_intervals_are_those_of_a_logistic_regression(styled):
    votes, truth = styled
    found = bt.fit(votes)
    model = sm.GLM(votes.counts[0], design(votes), family=sm.families.Binomial())
    theirs = model.fit(tol=1e-12)
    assert found.strengths[1:] - found.strengths[0] == pytest.approx(theirs.params[:3], abs=1e-6)
    assert found.style == pytest.approx(theirs.params[3:], abs=1e-6)
    assert found.style[0] == pytest.approx(0.249, abs=0.09)
    assert found.strengths == pytest.approx(truth, abs=0.15)
    robust = model.fit(tol=1e-12, cov_type="HC0").bse
    ours = un.sandwich(votes, found)
    errors = np.sqrt(np.diag(ours.covariance))[4:8]
    assert errors == pytest.approx(robust[3:] * (6000 / 5999) ** 0.5, rel=1e-5)
    assert ours.difference(1, 0) == pytest.approx(robust[0] * (6000 / 5999) ** 0.5, rel=1e-5)


def test_clustered_intervals_are_those_of_statsmodels(styled):
    votes, _ = styled
    clusters = np.arange(6000) % 40
    found = bt.fit(votes)
    theirs = sm.GLM(votes.counts[0], design(votes), family=sm.families.Binomial()).fit(
        tol=1e-12, cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    ours = un.sandwich(votes, found, clusters=clusters)
    assert np.sqrt(np.diag(ours.covariance))[4:8] == pytest.approx(theirs.bse[3:] * (40 / 39) ** 0.5, rel=1e-5)
    reach = special.stdtrit(39, 0.975) * theirs.bse[3] * (40 / 39) ** 0.5
    assert ours.high[4] - found.style[0] == pytest.approx(reach, rel=1e-5)


@pytest.mark.parametrize("ties", ["davidson", "rao_kupper", "half"])
def test_counts_and_single_votes_have_the_same_sandwich(ties):
    rng = np.random.default_rng(2)
    drawn = simulated(rng, n_votes=600, strengths=np.array([0.5, 0, -0.5]), nu=0.6)
    counted, single = tally(*drawn, n_players=3), one_by_one(*drawn, n_players=3)
    left = un.sandwich(counted, bt.fit(counted, ties=ties))
    right = un.sandwich(single, bt.fit(single, ties=ties), clusters=np.arange(600))
    assert left.covariance == pytest.approx(right.covariance, abs=1e-9)


def test_votes_of_one_annotator_widen_the_interval_and_the_bootstrap_agrees():
    rng = np.random.default_rng(3)
    annotators = np.repeat(np.arange(60), 20)
    leaning = rng.normal(size=60)[annotators]  # each has a taste of their own for player 0
    first, second = np.zeros(1200, dtype=int), np.ones(1200, dtype=int)
    outcomes = np.where(rng.random(1200) < special.expit(leaning), WIN, LOSS)
    votes = one_by_one(first, second, outcomes, n_players=2)
    found = bt.fit(votes)
    by_vote = un.sandwich(votes, found).difference(0, 1)
    by_annotator = un.sandwich(votes, found, clusters=annotators).difference(0, 1)
    assert by_annotator > 1.5 * by_vote
    drawn = un.bootstrap(votes, found, annotators, rng=rng, replicates=100)
    assert (drawn[:, 0] - drawn[:, 1]).std() == pytest.approx(by_annotator, rel=0.25)
    again = un.bootstrap(votes, found, annotators, rng=np.random.default_rng(9), replicates=20)
    assert np.array_equal(again, un.bootstrap(votes, found, annotators, rng=np.random.default_rng(9), replicates=20))


def test_intervals_hold_the_truth_as_often_as_they_promise():
    rng = np.random.default_rng(4)
    truth = np.array([0.6, 0.0, -0.6])
    hits = 0
    for _ in range(100):
        votes = tally(*simulated(rng, n_votes=300, strengths=truth, nu=0.5), n_players=3)
        found = un.sandwich(votes, bt.fit(votes))
        hits += int(((found.low[:3] <= truth) & (truth <= found.high[:3])).sum())
    assert 0.91 <= hits / 300 <= 0.98


def test_ranks_of_players_who_cannot_be_told_apart_overlap():
    strengths = np.array([2.0, 0.05, 0.0, -2.0])
    best, worst = un.rank_ranges(strengths, np.eye(4) * 0.01)
    assert best.tolist() == [1, 2, 2, 4]
    assert worst.tolist() == [1, 3, 3, 4]


def test_relative_differences_are_shares_of_the_sum_in_standard_deviations():
    found = relative_differences(np.array([[30.0, 0, 5], [10, 0, 5]]), np.array([[10.0, 0, 5], [30, 0, 5]]))
    assert found.tolist() == [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
