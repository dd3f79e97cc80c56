"""Rows, split and hash of a frozen data set: values by hand, and what storage order must not change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.agreement_intervals import Reason
from app.domain.datasets import (
    canonical_line,
    held_out_clusters,
    is_held_out,
    label_pairs,
    length_only,
    ranks,
    rounded,
    text_cluster,
)


def labels(votes, *, agreement=0.75, n_pairs=None):
    pairs, signed, steps = (np.array(column, dtype=np.int64) for column in zip(*votes, strict=True))
    return label_pairs(pairs, signed, steps, n_pairs=n_pairs or int(pairs.max()) + 1, agreement=agreement)


def test_soft_labels_by_hand():
    # P = .75 gives a = .25 / .5 = .5. Pair 0: one full vote for low: (.5 + 1) / (1 + 1) = .75.
    # Pair 1: s = -2 of 3 and s = +1 of 3: v = 1/6 and 4/6, p_low = (.5 + 5/6) / 3 = .444444, so high is chosen.
    # Pair 2: a tie.
    found = labels([(0, 3, 3), (1, -2, 3), (1, 1, 3), (2, 0, 3)])
    assert found.p.tolist() == [0.75, 0.555556, 0.5]
    assert found.is_low_chosen.tolist() == [True, False, True]
    assert found.margin.tolist() == [3.0, 0.5, 0.0]
    assert found.strength.tolist() == [3.0, 1.5, 0.0]
    assert found.n_votes.tolist() == [1, 2, 1]
    assert found.is_tie.tolist() == [False, False, True]


def test_scales_of_different_length_meet_in_the_vote_value():
    # One vote of 1 in a scale of 1 and one of 2 in a scale of 4 (v = .75): p = (.5 + 1.75) / 3.
    assert labels([(0, 1, 1), (0, 2, 4)]).p.tolist() == [0.75]


def test_agreement_is_kept_within_its_bounds():
    assert labels([(0, 1, 1)], agreement=0.3).p.tolist() == [rounded(5.5 / 10)]  # P = .55: a = .45 / .1 = 4.5
    assert labels([(0, 1, 1)], agreement=1.0).p.tolist() == [rounded((1 / 98 + 1) / (2 / 98 + 1))]  # P = .99


def test_a_pair_without_votes_is_a_tie_of_no_votes():
    found = labels([(0, 1, 1)], n_pairs=2)
    assert (found.p[1], found.n_votes[1], found.margin[1]) == (0.5, 0, 0.0)


VOTES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 4)).flatmap(
        lambda drawn: st.tuples(st.just(drawn[0]), st.integers(-drawn[1], drawn[1]), st.just(drawn[1]))
    ),
    min_size=1,
    max_size=40,
)


@given(VOTES, st.floats(0.5, 1.0), st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(votes, agreement, dice):
    shuffled = votes[:]
    dice.shuffle(shuffled)
    one, other = (labels(each, agreement=agreement, n_pairs=5) for each in (votes, shuffled))
    for name in ("p", "margin", "strength", "n_votes", "is_low_chosen"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()


@given(VOTES, st.floats(0.5, 1.0))
def test_exchanging_the_two_responses_changes_only_which_of_them_is_chosen(votes, agreement):
    one = labels(votes, agreement=agreement, n_pairs=5)
    other = labels([(pair, -signed, steps) for pair, signed, steps in votes], agreement=agreement, n_pairs=5)
    sided = ~one.is_tie
    assert one.p.tolist() == other.p.tolist()
    assert one.margin[sided].tolist() == other.margin[sided].tolist()
    assert (one.is_low_chosen[sided] != other.is_low_chosen[sided]).all()
    assert one.is_low_chosen[~sided].all()
    assert other.is_low_chosen[~sided].all()


SIZES = st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 50), min_size=2, max_size=40)


@given(SIZES, st.floats(0.01, 0.9), st.integers(0, 10**6))
def test_a_split_is_near_its_share_and_leaves_both_sides_something(sizes, share, seed):
    held_out = held_out_clusters(sizes, set(sizes), share=share, seed=seed)
    assert held_out
    assert held_out < set(sizes)
    assert held_out == held_out_clusters(dict(reversed(sizes.items())), set(sizes), share=share, seed=seed)
    rows = sum(sizes[name] for name in held_out)
    assert abs(rows - share * sum(sizes.values())) <= max(sizes.values())


@given(SIZES, st.data(), st.floats(0.01, 0.9), st.integers(0, 10**6))
def test_both_sides_of_a_split_get_a_cluster_with_a_better_side(sizes, data, share, seed):
    sided = data.draw(st.sets(st.sampled_from(sorted(sizes)), min_size=2))
    held_out = held_out_clusters(sizes, sided, share=share, seed=seed)
    assert held_out & sided
    assert sided - held_out


def test_many_small_clusters_meet_the_share_and_another_seed_holds_out_others():
    sizes = {f"prompt {n}": 1 for n in range(1000)}
    first, second = (held_out_clusters(sizes, sizes.keys(), share=0.2, seed=seed) for seed in (0, 1))
    assert len(first) == len(second) == 200
    assert 20 < len(first & second) < 60  # 40 by chance


def test_one_cluster_cannot_be_split():
    with pytest.raises(ValueError):
        held_out_clusters({"only": 10, "ties": 5}, ["only"], share=0.2, seed=0)


def test_prompts_that_differ_in_case_width_and_spaces_are_one_cluster():
    assert text_cluster(["Why  is the\nSKY blue? "]) == text_cluster(["why is the sky blue?"])
    assert text_cluster(["ab", "c"]) != text_cluster(["a", "bc"])


def test_places_of_a_ranking():
    assert ranks([(1, 2), (1, 3), (2, 3)], [1, 2, 3]) == {1: 1, 2: 2, 3: 3}
    assert ranks([(1, 2), (1, 3)], [1, 2, 3]) == {1: 1, 2: 2, 3: 2}


def test_the_length_baseline_by_hand():
    clusters = np.array([0, 1, 2, 3, 4, 4], dtype=np.int64)
    found = length_only(np.array([5, -3, 0, 8, 1, 2]), clusters, seed=0)
    assert found.value == pytest.approx(4.5 / 6)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert length_only(np.array([1, 2]), np.array([0, 1]), seed=0).reason == Reason.TOO_FEW_ITEMS
    assert length_only(np.array([], dtype=np.int64), np.array([], dtype=np.int64), seed=0).value is None


def test_a_canonical_line_does_not_depend_on_the_order_of_its_names():
    assert canonical_line({"b": 1, "a": "ü"}) == canonical_line({"a": "ü", "b": 1}) == '{"a":"ü","b":1}\n'.encode()
    with pytest.raises(ValueError):
        canonical_line({"p": float("nan")})


def test_a_cluster_alone_is_held_out_by_its_name_and_about_as_many_as_wanted():
    """Of 4,000 names 30%: 1,200, three standard deviations are 87. Another seed holds out others."""
    names = [f"text:{n}" for n in range(4000)]
    taken = {name for name in names if is_held_out(name, share=0.3, seed=0)}
    others = {name for name in names if is_held_out(name, share=0.3, seed=1)}
    assert abs(len(taken) - 1200) < 87
    assert taken != others
