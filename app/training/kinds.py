"""What each algorithm makes, in words, and which of its measurements a page draws: one place for all that differs."""

from __future__ import annotations

from dataclasses import dataclass

from app.training.options import Algorithm
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of two curves, by the names of the trainer: of training windows (`field`), and on held-out rows."""

    key: str
    title: str
    field: str
    held_out: str
    train_title: str
    held_out_title: str
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Stat:
    """A number of the newest training window; `digits` None is a share in per cent."""

    field: str
    label: str
    digits: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """`short` names the choice, `noun` what is made; `learns` and `when` are a sentence each."""

    algorithm: Algorithm
    short: str
    noun: str
    learns: str
    when: str
    figures: tuple[Figure, ...]
    stats: tuple[Stat, ...]

    @property
    def is_policy(self) -> bool:
        """Whether it writes, and another run can begin with it; the others score."""
        return self.algorithm != "reward_model"


def kinds() -> dict[str, Kind]:
    """All that can be trained, in the reader's language, in the order in which one would try them."""
    return {kind.algorithm: kind for kind in (_reward_model(), _sft(), _dpo())}


def _loss() -> Figure:
    return Figure("loss", _("Loss"), "loss", "eval_loss", _("Training loss"), _("Held-out loss"))


def _loss_stat() -> Stat:
    return Stat("loss", _("Training loss"), 3, _("mean since the point before"))


def _reward_model() -> Kind:
    return Kind(
        "reward_model",
        short=_("Reward model"),
        noun=_("Reward model"),
        learns=_("It learns to score responses so that the better one of each pair scores higher."),
        when=_("Take it to rank or filter answers, and to see what your judgements can teach."),
        figures=(
            _loss(),
            Figure(
                "accuracy",
                _("Accuracy"),
                "accuracy",
                "eval_accuracy",
                _("Training accuracy"),
                _("Held-out accuracy"),
                is_share=True,
            ),
        ),
        stats=(
            _loss_stat(),
            Stat("accuracy", _("Training accuracy"), None, _("of pairs with a better side")),
            Stat("pairs_per_second", _("Pairs a second"), 1),
        ),
    )


def _sft() -> Kind:
    return Kind(
        "sft",
        short=_("SFT"),
        noun=_("Fine-tuned language model (SFT)"),
        learns=_("It learns to write the answers that people chose (supervised fine-tuning)."),
        when=_("Take it first, for a language model that does not yet write in the manner you want."),
        figures=(
            _loss(),
            Figure(
                "token_accuracy",
                _("Next token right"),
                "mean_token_accuracy",
                "eval_mean_token_accuracy",
                _("Training, next token right"),
                _("Held-out, next token right"),
                is_share=True,
            ),
        ),
        stats=(
            _loss_stat(),
            Stat("mean_token_accuracy", _("Next token right"), None, _("the likeliest token was the next one")),
            Stat("rows_per_second", _("Answers a second"), 1),
            Stat("tokens_per_second", _("Tokens a second"), 0, _("of prompts and answers")),
            Stat("num_tokens", _("Tokens read"), 0, _("since the run began")),
        ),
    )


def _dpo() -> Kind:
    return Kind(
        "dpo",
        short=_("DPO"),
        noun=_("Language model trained on preferences (DPO)"),
        learns=_("It learns to write what people prefer, from pairs alone (direct preference optimisation)."),
        when=_("Take it on a model that already writes well: best on the result of an SFT run."),
        figures=(
            _loss(),
            Figure(
                "accuracy",
                _("Chosen ahead of rejected"),
                "rewards/accuracies",
                "eval_accuracy",
                _("Training, chosen ahead"),
                _("Held-out, chosen ahead"),
                is_share=True,
            ),
            Figure(
                "margin",
                _("Reward margin"),
                "rewards/margins",
                "mean_margin",
                _("Training margin"),
                _("Held-out margin"),
            ),
        ),
        stats=(
            _loss_stat(),
            Stat("rewards/accuracies", _("Chosen ahead"), None, _("of pairs with a better side")),
            Stat("rewards/margins", _("Reward margin"), 3, _("chosen less rejected")),
            Stat("pairs_per_second", _("Pairs a second"), 1),
        ),
    )
