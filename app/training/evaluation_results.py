"""An evaluation for people: what it does now, and what it found, as estimates with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.training import results
from app.training.results import Shown
from app.training.schemas import Estimate
from app.web.i18n import gettext as _


def phases() -> dict[str, str]:
    """Words for the phases that a measurement and its worker report."""
    return {
        "waiting_for_device": _("Waiting for a free device"),
        "fetching": _("Fetching the models and the rows"),
        "starting": _("Starting the process"),
        "scoring": _("Scoring the responses, in per cent"),
        "loading": _("Loading the models"),
        "writing": _("Writing the answers, in per cent"),
        "comparing": _("Comparing the answers, in per cent"),
        "pairs": _("Reading the held-out pairs, in per cent"),
    }


@dataclass(frozen=True, slots=True)
class Compared:
    """Two reward models on the same pairs; `p` is of McNemar's test, None where no pair tells them apart."""

    model: str
    figures: list[Shown]
    n_only_first: int
    n_only_second: int
    p: float | None


def pairs(result: dict[str, Any]) -> dict[str, Any] | None:
    """The figures on pairs under the names of a run's own result; None where sets of responses were measured."""
    if "pairs" not in result:
        return None
    beside = ("noise_ceiling", "temperature", "baselines", "n_shared_clusters")
    return {**result["pairs"], **{name: result.get(name) for name in beside}}


def against(result: dict[str, Any]) -> Compared | None:
    found = result.get("against")
    if not found:
        return None
    named = (("accuracy", _("This model")), ("against_accuracy", _("The other")), ("difference", _("Difference")))
    return Compared(
        model=found["model"],
        figures=_shown(found, found["n"], named),
        n_only_first=found["n_only_first"],
        n_only_second=found["n_only_second"],
        p=found["mcnemar_p"],
    )


@dataclass(frozen=True, slots=True)
class Best:
    """How often the right one of several responses scores highest, beside chance."""

    name: str
    n: int
    accuracy: Estimate | None
    chance: float


def best_of(result: dict[str, Any]) -> list[Best]:
    """All sets first, then those of each subset; empty where none were measured."""
    found = result.get("best_of_4")
    if not found:
        return []
    rows = [{**found, "name": _("All sets")}, *found["subsets"]]
    return [Best(row["name"] or _("Not given"), row["n"], of(row, "accuracy", row["n"]), row["chance"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Sides:
    """One measurement of both models' answers; `digits` None is a share."""

    label: str
    note: str
    policy: Estimate | None
    reference: Estimate | None
    digits: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """All prompts, or those of one set; without figures where they are too few."""

    name: str
    n: int
    is_measured: bool
    won: list[Shown]
    counts: tuple[int, int, int] | None
    """Wins, ties and losses against the reference."""
    sides: list[Sides]
    distance: list[Shown]


def groups(result: dict[str, Any]) -> list[Group]:
    """The total first, then each set that prompts are marked with."""
    at_one = result.get("temperature") == 1
    total = _group(_("All prompts"), result["total"], is_kl=at_one)
    return [total, *(_group(each["name"], each, is_kl=at_one) for each in result["sets"])]


def _group(name: str, found: dict[str, Any], *, is_kl: bool) -> Group:
    n = found["n"]
    if "n_clusters" not in found:
        return Group(name, n, False, [], None, [], [])
    won = _shown(
        found,
        n,
        (("win_rate", _("Win rate")), ("length_controlled_win_rate", _("Win rate at equal length"))),
    ) + _shown(found, n, (("reward_gain", _("Gain in reward")),), bounds=None)
    counts = (found["n_wins"], found["n_ties"], found["n_losses"]) if "n_wins" in found else None
    return Group(name, n, True, won, counts, _sides(found, n), _distance(found, n, is_kl=is_kl))


def _sides(found: dict[str, Any], n: int) -> list[Sides]:
    named = (
        ("tokens", _("Tokens of an answer"), "", 1),
        ("characters", _("Characters of an answer"), "", 1),
        ("ended", _("Answers that ended"), _("The others ran out of room."), None),
        ("repeated_4_grams", _("Repetition"), _("Repeated runs of four tokens in an answer."), None),
        ("distinct_2_grams", _("Variety"), _("Distinct pairs of tokens over all answers."), None),
    )
    return [
        Sides(label, note, of(found, f"policy_{name}", n), of(found, f"reference_{name}", n), digits)
        for name, label, note, digits in named
    ]


def _distance(found: dict[str, Any], n: int, *, is_kl: bool) -> list[Shown]:
    what = _("KL") if is_kl else _("Mean log-ratio")
    named = (
        ("kl_k1_per_token", _("%(what)s of a token (k1)") % {"what": what}),
        ("kl_k3_per_token", _("%(what)s of a token (k3)") % {"what": what}),
        ("kl_k1_per_answer", _("%(what)s of an answer (k1)") % {"what": what}),
    )
    return _shown(found, n, named, bounds=None)


def implicit(result: dict[str, Any]) -> list[Shown]:
    """The policy's own reward on held-out pairs; empty where there were none."""
    found = result.get("implicit_reward")
    return results.accuracies(found) if found else []


BOUNDS = (0.0, 1.0)


def _shown(
    found: dict[str, Any],
    n: int,
    named: tuple[tuple[str, str], ...],
    *,
    bounds: tuple[float, float] | None = BOUNDS,
) -> list[Shown]:
    """The estimates that are there; a difference of shares lies between −1 and 1."""
    shown = []
    for name, label in named:
        each = of(found, name, n)
        if each is not None:
            reason = _("Too few prompts for an interval") if each.low is None else None
            shown.append(Shown(label, each, reason, "", (-1.0, 1.0) if name == "difference" else bounds))
    return shown


def of(found: dict[str, Any], name: str, n: int) -> Estimate | None:
    if found.get(name) is None:
        return None
    low, high = found.get(f"{name}_interval") or (None, None)
    return Estimate(value=found[name], low=low, high=high, n=n)
