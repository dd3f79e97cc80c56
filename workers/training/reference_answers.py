"""Scores with mean 0 and standard deviation 1 on reference answers, by rescaling the last layer of a reward model.

Preferences fix differences of scores, and leave open where their zero lies. Training a policy wants it known, and
scores of a known spread (Stiennon et al. 2020 and Ouyang et al. 2022 set the mean on reference answers to 0). The
change is made in the head's own weight and bias, so that plain transformers gives the normalised score.

A rescaled difference is no log-odds any more: times `score_scale` it is one again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workers.training.data import Pair
from workers.training.demonstrations import DemonstrationFile, read_demonstrations
from workers.training.encoding import Encoded, Encoder
from workers.training.errors import BadInput
from workers.training.evaluation.scoring import Floats

SMALLEST = 1e-6
"""Scores that vary less than this say nothing that could be stretched."""


def read(path: Path) -> DemonstrationFile:
    """Rows of prompt and completion (or messages), as for supervised training; their weights are not used."""
    return read_demonstrations(path, answers="completion")


def better(pairs: list[Pair], encoded: Encoded) -> Encoded:
    """The better response of each pair that has one, each distinct one once, as a pair of itself with itself."""
    sides = zip(pairs, encoded.chosen, encoded.rejected, strict=True)
    found = {chosen if pair.p > 0.5 else rejected: None for pair, chosen, rejected in sides if pair.p != 0.5}
    return Encoded(list(found), list(found))


def encoded(file: DemonstrationFile, encoder: Encoder) -> Encoded:
    """Each distinct answer of a file once, as a pair of itself with itself."""
    pairs = [
        Pair(
            row=row.row,
            prompt=row.prompt,
            chosen=row.completion,
            rejected=row.completion,
            p=0.5,
            weight=1.0,
            margin=None,
            pair_id="",
            prompt_cluster=row.prompt_cluster,
        )
        for row in file.demonstrations
    ]
    whole = encoder.encode(pairs)
    found = list(dict.fromkeys(whole.chosen))
    return Encoded(found, found, whole.n_prompts_cut, whole.n_responses_cut)


def check(model: Any) -> None:
    """`BadInput` where scores could not be normalised at the end, before anything is trained."""
    if head(model) is None:
        raise BadInput(
            f"The score of a {model.config.model_type} model is not made by one linear layer, so that --normalise "
            "cannot rescale it. Leave --normalise off."
        )


def normalise(
    model: Any, references: Encoded, scores: Callable[[Encoded], Floats], notice: Callable[[str], None]
) -> dict[str, Any]:
    """Rescale the head of `model` by the scores of the reference answers, and say what they were and are.

    `score_scale` is what a difference of the new scores is multiplied by to be log-odds again.
    """
    layer = head(model)
    before = scores(references)[:, 0]
    mean, std = float(before.mean()), float(before.std())
    said = {
        "n_reference_answers": len(before),
        "n_reference_answers_cut": references.n_prompts_cut + references.n_responses_cut,
        "reference_mean_before": mean,
        "reference_std_before": std,
    }
    if layer is None or std < SMALLEST:
        notice("All reference answers have the same score, which cannot be stretched: scores stay as they are.")
        return {**said, "reference_mean": mean, "reference_std": std, "score_scale": 1.0}
    if not rescale(layer, mean=mean, std=std):
        notice(
            "The head of this model has no bias, so that scores were scaled and could not be moved: reference_mean "
            "says where their zero lies. --center keeps it near 0 while training."
        )
    after = scores(references)[:, 0]
    return {**said, "reference_mean": float(after.mean()), "reference_std": float(after.std()), "score_scale": std}


def head(model: Any) -> torch.nn.Linear | None:
    """The layer that makes the score: the one linear layer with one output outside the base model."""
    base = {id(module) for module in model.base_model.modules()} if model.base_model is not model else set()
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == 1 and id(module) not in base
        if not name.endswith(".original_module")  # what peft keeps of a head that it trains a copy of
    ]
    return found[0] if len(found) == 1 else None


@torch.no_grad()
def rescale(layer: torch.nn.Linear, *, mean: float, std: float) -> bool:
    """r becomes (r − mean) / std in place; False where the head has no bias and only r / std could be made.

    A bias is not added: the causal classifiers of transformers make their head without one whatever the config says,
    and would drop it when they load the folder.
    """
    layer.weight.copy_((layer.weight.double() / std).to(layer.weight.dtype))
    if layer.bias is None:
        return False
    layer.bias.copy_(((layer.bias.double() - mean) / std).to(layer.bias.dtype))
    return True
