"""What the agreement page calls things, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.agreement_intervals import MINIMUM_CLUSTERS, MINIMUM_ITEMS, Estimate, Reason
from app.quality.summary import COEFFICIENTS, AgreementSummary
from app.web.i18n import gettext as _

Options = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A line of the table: `words` says why a value or an interval is missing, else nothing."""

    name: str
    meaning: str
    estimate: Estimate
    words: str


def coefficients(summary: AgreementSummary) -> list[Coefficient]:
    """The headline first."""
    texts = {
        "alpha_sym": (_("alpha_sym"), _("Beyond chance, whichever response is stored as A. The headline.")),
        "raw": (_("Raw agreement"), _("The share of pairs of votes on one task that say the same, chance included.")),
        "alpha_nominal": (_("Krippendorff’s alpha"), _("Beyond chance; moves with which response is stored as A.")),
        "alpha_ordinal": (
            _("Alpha, ordinal"),
            _("A, tie, B as ordered: A against B weighs more than A against a tie."),
        ),
        "ac1": (_("Gwet’s AC1"), _("Beyond chance, steady where one label is far more common than the others.")),
        "fleiss": (_("Fleiss’ kappa"), _("Beyond chance, from the labels’ shares among all votes.")),
    }
    names = ("alpha_sym", *(name for name in COEFFICIENTS if name != "alpha_sym"))
    return [
        Coefficient(*texts[name], summary.estimates[name], reason(summary.estimates[name].reason)) for name in names
    ]


def reason(why: Reason | None) -> str:
    """Why there is no value, or no interval; nothing where nothing is missing."""
    if why is None:
        return ""
    return {
        Reason.NO_OVERLAP: _("no task has two votes"),
        Reason.NO_VARIATION: _("no variation: only one label was given"),
        Reason.NOT_APPLICABLE: _("does not apply to these labels"),
        Reason.TOO_FEW_ITEMS: _("no interval: fewer than %(n)s tasks with two votes") % {"n": MINIMUM_ITEMS},
        Reason.TOO_FEW_PROMPTS: _("no interval: fewer than %(n)s different prompts") % {"n": MINIMUM_CLUSTERS},
        Reason.NO_SPREAD: _("no interval: all resamples give the same value"),
        Reason.RARE_LABELS: _("no interval: a label is too rare"),
    }[why]


def label(name: str) -> str:
    return {"A": _("A is better"), "tie": _("Equally good"), "B": _("B is better"), "both_bad": _("Both bad")}[name]


def version(number: int | None) -> str:
    return _("No guidelines") if number is None else _("Version %(number)d") % {"number": number}


def versions(numbers: Iterable[int | None]) -> Options:
    return [("", _("All versions"))] + [("none" if n is None else str(n), version(n)) for n in numbers]


def kinds(found: Iterable[str]) -> Options:
    texts = {
        "person": _("People"),
        "imported": _("Imported annotators"),
        "simulated": _("Simulated annotators"),
        "model": _("Models"),
    }
    return [("", _("All annotators"))] + [(kind, texts[kind]) for kind in found]
