"""The published simulation tables, short; `make prove NAME=annotators` draws them whole."""

import numpy as np
import pytest

from benchmarks import annotators


@pytest.fixture(scope="module")
def figures():
    return annotators.simulate(1000)


def test_every_published_figure_lies_within_three_standard_errors(figures):
    assert len(figures) == 24
    assert [figure for figure in figures if not figure.is_met] == []


def test_a_seed_repeats_itself(figures):
    assert annotators.gold(np.random.default_rng(1), 1000) == figures[:12]


def test_planted_annotators_are_found():
    """Published: always left .97, adversarial 1.0, random .82, at one honest annotator in a hundred."""
    rates = annotators.planted(range(20))
    assert rates["always left"] >= 0.97
    assert rates["adversarial"] >= 0.99
    assert rates["random"] == pytest.approx(0.82, abs=0.07)
