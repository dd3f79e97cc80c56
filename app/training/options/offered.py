"""Options as the form asks for them: a label, a sentence and what a browser can check, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from app.web.i18n import gettext as _

BASIC = ("labels", "epochs", "batch_size", "learning_rate", "beta", "max_length")
"""Options that the form shows at once, in this order; the others wait behind "More options"."""
ASKED_APART = ("model", "base_run")
"""What a run begins with, which the form asks for in a way of its own."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the form shows it. `kind` is as in templates/components/field.html."""

    name: str
    label: str
    sentence: str
    kind: str
    is_basic: bool
    choices: list[tuple[str, str]]
    attributes: dict[str, Any]


def offered(options: type[BaseModel]) -> list[Option]:
    """All options but what a run begins with; basic ones first."""
    names = [name for name in options.model_fields if name not in ASKED_APART]
    basic = [name for name in BASIC if name in names]
    return [_option(options, name) for name in [*basic, *(name for name in names if name not in BASIC)]]


def _option(options: type[BaseModel], name: str) -> Option:
    field = options.model_fields[name]
    choices = [(value, _choices().get(value, value)) for value in get_args(field.annotation) if isinstance(value, str)]
    kind = "select" if choices else "text"
    if field.annotation in (int, float):
        kind = "number"
    elif field.annotation is bool:
        kind = "checkbox"
    attributes: dict[str, Any] = {"dir": "auto"} if kind == "text" else {}
    if kind == "number":
        attributes = _bounds(field.metadata, is_whole=field.annotation is int)
    return Option(
        name=name,
        label=_(field.title or name),
        sentence=_(field.description or ""),
        kind=kind,
        is_basic=name in BASIC,
        choices=choices,
        attributes=attributes,
    )


def _bounds(metadata: list[Any], *, is_whole: bool) -> dict[str, Any]:
    """What a browser checks by itself; open bounds are left to the server, and so are their sentences."""
    attributes: dict[str, Any] = {"inputmode": "numeric" if is_whole else "decimal", "step": 1 if is_whole else "any"}
    for bound in metadata:
        if isinstance(bound, Ge | Gt):
            attributes["min"] = bound.ge if isinstance(bound, Ge) else bound.gt
        elif isinstance(bound, Le | Lt):
            attributes["max"] = bound.le if isinstance(bound, Le) else bound.lt
    return attributes


def _choices() -> dict[str, str]:
    return {
        "soft": _("Soft: the share of votes for each side"),
        "hard": _("Hard: the better side of each pair, without ties"),
        "margin": _("Margin: hard, and ahead by the strength of the votes"),
        "pairs": _("Pairs: each pair of a ranking, with its votes"),
        "plackett_luce": _("Plackett-Luce: the ranking as a whole, by the places alone"),
        "off": _("Left as they were trained"),
        "on": _("Mean 0 and standard deviation 1 over the better responses of the training data"),
        "fp32": _("32-bit floats"),
        "bf16": _("16-bit brain floats"),
        "linear": _("On a line to 0"),
        "cosine": _("On half a cosine to 0"),
        "constant": _("Not at all"),
        "auto": _("What is estimated to be quickest"),
        "padded": _("Each text in a row of its own"),
        "shared": _("Texts of one prompt in one row"),
        "packed": _("Several prompts in one row"),
        "sigmoid": _("DPO"),
        "ipo": _("IPO, over sums of tokens"),
        "ipo_normalised": _("IPO, over means of tokens"),
        "robust": _("Robust DPO, for labels that are often flipped"),
        "hinge": _("Hinge (SLiC)"),
    }
