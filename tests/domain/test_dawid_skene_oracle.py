"""Dawid and Skene's model against crowd-kit, which is used nowhere else."""

import numpy as np
import pytest

from app.domain.dawid_skene import dawid_skene
from tests.domain.test_dawid_skene import crowd

# It imports nltk and scikit-learn, which takes seconds: the stage of the slow ones.
pytestmark = pytest.mark.training


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # theirs, from pandas
def test_maximum_likelihood_is_that_of_crowd_kit():
    import pandas as pd
    from crowdkit.aggregation import DawidSkene as CrowdKit

    item, annotators, labels, _truth, n = crowd(np.random.default_rng(4), items=300, votes=5, per_annotator=50)
    table = pd.DataFrame({"task": item, "worker": annotators, "label": labels})
    theirs = CrowdKit(n_iter=200, tol=1e-9).fit(table)
    ours = dawid_skene(
        item, annotators, labels, n_items=300, n_annotators=n, n_labels=2, prior_diagonal=0, prior_off_diagonal=0
    )
    assert ours.posterior == pytest.approx(theirs.probas_.sort_index()[[0, 1]].to_numpy(), abs=1e-3)
