"""Mean pooling for a BERT that was trained with it, in a form that plain transformers loads.

Sentence encoders (Reimers and Gurevych 2019) are trained so that the mean of all tokens carries the meaning; the first
token, which `BertForSequenceClassification` reads, says little in them, and a short fine-tuning does not make up for
it. No class of transformers reads the mean of a BERT. So one more layer is put on top that begins as this mean: with
queries of zero its attention is uniform over all real tokens, its values and output are the identity, and its feed-
forward part adds nothing. The first token is then the (normalised) mean and itself, and the model is still a BERT.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch

SHARE = 4.0
"""How much more the mean counts than the first token itself, before both are normalised."""


def wants_mean(folder: Path) -> bool:
    """Whether a folder of sentence-transformers says that its tokens are to be averaged."""
    try:
        found = json.loads((folder / "1_Pooling" / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("pooling_mode_mean_tokens") is True


@torch.no_grad()
def add_mean_layer(model: Any) -> None:
    """One more layer for a `BertForSequenceClassification`, in place; its pooler begins as the identity."""
    config = model.config
    layer = copy.deepcopy(model.bert.encoder.layer[-1])
    attention = layer.attention.self
    attention.layer_idx = len(model.bert.encoder.layer)
    for projection in (attention.query, attention.key, attention.value, layer.attention.output.dense):
        projection.weight.zero_()
        projection.bias.zero_()
    attention.value.weight.fill_diagonal_(1.0)
    layer.attention.output.dense.weight.fill_diagonal_(SHARE)
    torch.nn.init.normal_(layer.intermediate.dense.weight, std=config.initializer_range)
    layer.intermediate.dense.bias.zero_()
    layer.output.dense.weight.zero_()
    layer.output.dense.bias.zero_()
    for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
        norm.weight.fill_(1.0)
        norm.bias.zero_()
    model.bert.encoder.layer.append(layer)
    config.num_hidden_layers += 1
    model.bert.pooler.dense.weight.zero_()
    model.bert.pooler.dense.weight.fill_diagonal_(1.0)
    model.bert.pooler.dense.bias.zero_()
