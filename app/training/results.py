"""A run for people: its state as a card, and the result's estimates with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.training.schemas import Estimate, RunDetail
from app.training.service import estimate
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs about which the model is equally sure: how sure (`predicted`), and how often people side with it."""

    low: float
    high: float
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class Shown:
    """An estimate as the macro of that name takes it; `reason` says why an interval is missing."""

    label: str
    estimate: Estimate
    reason: str | None
    note: str = ""
    bounds: tuple[float, float] | None = (0.0, 1.0)
    """The least and the most that a share can be; None for what is no share."""


def phase(detail: RunDetail) -> str:
    """What the run does now, in the reader's language."""
    if detail.state == "queued":
        return _("Waiting for a free device") if detail.attempt == 0 else _("Waiting to go on")
    return phases().get(detail.phase) or detail.phase or _("Starting")


def phases() -> dict[str, str]:
    """Words for the phases that the trainer and its worker report."""
    return {
        "waiting_for_device": _("Waiting for a free device"),
        "fetching": _("Fetching the data set and the last checkpoint"),
        "starting": _("Starting the training process"),
        "reading": _("Checking the rows"),
        "loading": _("Loading the model"),
        "tokenising": _("Turning texts into tokens"),
        "reference": _("Asking the model as it was before"),
        "training": _("Training"),
        "measuring": _("Measuring the best model beside baselines"),
        "saving": _("Saving the best model"),
        "storing": _("Storing the result"),
    }


def is_stopping(detail: RunDetail) -> bool:
    return bool(detail.state == "running" and detail.job and detail.job["cancel_requested"])


def seconds_left(detail: RunDetail) -> float | None:
    """As the newest step of the current attempt says; None before it has taken one, and outside training."""
    newest = detail.last_step
    if detail.state != "running" or newest is None or newest.attempt != detail.attempt:
        return None
    left: float | None = newest.values.get("seconds_left")
    return left


def measured(result: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """All that a page shows of the figures on held-out rows, of a run or of an evaluation."""
    return {
        "accuracies": accuracies(result),
        "loss": held_out_loss(result) if algorithm == "sft" else [],
        "shorter": where_shorter_wins(result),
        "yardsticks": yardsticks(result),
        "single_vote": single_vote(result),
        "reliability": reliability(result),
        "slices": slice_tables(result),
        "is_beyond_length": is_beyond_length(result),
        "values": result,
    }


def accuracies(result: dict[str, Any]) -> list[Shown]:
    """The model beside length alone, over all pairs; then the difference on the same pairs."""
    return _shown(
        result,
        [
            ("eval_accuracy", _("This model"), ""),
            ("length_only_accuracy", _("Length alone"), _("The longer response is always called better.")),
            ("accuracy_gain", _("Difference"), _("In percentage points, on the same pairs, resampled together.")),
        ],
    )


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A baseline; `lead` is what the model has over it on the same pairs, None for the model itself."""

    name: str
    note: str
    accuracy: Estimate
    lead: Estimate | None
    nll: float | None


def yardsticks(result: dict[str, Any]) -> list[Yardstick]:
    """The model, then what models reach that do not understand a word; empty where none were fitted."""
    named = {
        "length": (_("Length, fitted"), _("How much longer, by a logistic regression.")),
        "surface": (_("Length and formatting"), _("Lists, headings, bold and code too.")),
        "words": (_("Words"), _("TF-IDF of the words of both responses.")),
    }
    model, fitted = estimate(result, "eval_accuracy"), result.get("baselines") or {}
    if model is None or not fitted:
        return []
    rows = [Yardstick(_("This model"), "", model, None, result.get("nll"))]
    for name, (label, note) in named.items():
        if (values := fitted.get(name)) is not None and values.get("accuracy") is not None:
            of_pairs = {"n": model.n, **values}
            accuracy, lead = _estimate(of_pairs, "accuracy"), _of_row(of_pairs, "model_gain")
            rows.append(Yardstick(label, note, accuracy, lead, values.get("nll")))
    return rows


def single_vote(result: dict[str, Any]) -> list[Shown]:
    """How often one vote, drawn from those given, would side with the model; ties count."""
    if result.get("soft_accuracy") is None:
        return []
    found = _estimate({"n": result.get("n_pairs", 0), **result}, "soft_accuracy")
    return [Shown(_("Agreement with a single vote"), found, _reason(found))]


def where_shorter_wins(result: dict[str, Any]) -> list[Shown]:
    """Where length alone is always wrong, by the choice of the pairs."""
    return _shown(result, [("eval_accuracy_shorter", _("This model"), "")])


def held_out_loss(result: dict[str, Any]) -> list[Shown]:
    """Of SFT, which has no better side to find."""
    note = _("Nats for each token of the held-out answers: lower is better, comparable on one tokenizer only.")
    return _shown(result, [("eval_loss", _("Held-out loss"), note)])


BOUNDS = {"accuracy_gain": (-1.0, 1.0), "eval_loss": None}


def _shown(result: dict[str, Any], named: list[tuple[str, str, str]]) -> list[Shown]:
    found = [(name, estimate(result, name), label, note) for name, label, note in named]
    return [
        Shown(label, each, _reason(each), note, BOUNDS.get(name, (0.0, 1.0)))
        for name, each, label, note in found
        if each is not None
    ]


def _reason(each: Estimate) -> str | None:
    return _("Too few prompts for an interval") if each.low is None else None


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the held-out pairs; the estimates are None where it is too small to be measured."""

    name: str
    n: int
    model: Estimate | None
    length: Estimate | None
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class SliceTable:
    """The slices of one kind; `n_left_out` counts the smaller ones that were not measured."""

    label: str
    rows: list[Slice]
    n_left_out: int

    @property
    def is_measured(self) -> bool:
        """Whether any slice of this kind is large enough to say something about."""
        return any(row.model is not None for row in self.rows)


def slice_tables(result: dict[str, Any]) -> list[SliceTable]:
    """Accuracy beside length alone by kind of slice; none where the data has but one of each, or an old result."""
    labels = {
        "strength": _("Strength"),
        "length_ratio": _("Longer over shorter response"),
        "guideline_version": _("Guidelines"),
        "domain": _("Domain"),
        "language": _("Language"),
    }
    return [
        SliceTable(labels[kind["by"]], [_slice(row) for row in kind["rows"]], kind.get("n_left_out", 0))
        for kind in result.get("slices") or []
        if kind["by"] in labels
    ]


def _slice(row: dict[str, Any]) -> Slice:
    found = [_of_row(row, name) for name in ("accuracy", "length_only_accuracy", "accuracy_gain")]
    return Slice(row["name"] or _("Not given"), row["n"], *found)


def _of_row(row: dict[str, Any], name: str) -> Estimate | None:
    return None if row.get(name) is None else _estimate(row, name)


def _estimate(row: dict[str, Any], name: str) -> Estimate:
    low, high = row.get(f"{name}_interval") or (None, None)
    return Estimate(value=row[name], low=low, high=high, n=row["n"])


def reliability(result: dict[str, Any]) -> list[ReliabilityBin]:
    """The bins of the calibration error, from the least sure to the surest."""
    return [
        ReliabilityBin(
            low=each["low"], high=each["high"], predicted=each["predicted"], observed=_estimate(each, "observed")
        )
        for each in result.get("reliability") or []
    ]


def is_beyond_length(result: dict[str, Any]) -> bool | None:
    """Whether the interval of the difference to length alone lies above 0; None without an interval."""
    gain = estimate(result, "accuracy_gain")
    if gain is None or gain.low is None:
        return None
    return gain.low > 0


def held_out_so_far(detail: RunDetail) -> Shown | None:
    """What the newest evaluation found, with its interval."""
    if detail.last_evaluation is None:
        return None
    name, label = "eval_accuracy", _("Held-out accuracy so far")
    if detail.algorithm == "sft":
        name, label = "eval_loss", _("Held-out loss so far")
    shown = _shown(detail.last_evaluation.values, [(name, label, "")])
    return shown[0] if shown else None
