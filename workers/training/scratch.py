"""A small encoder from scratch, with a tokenizer built from the training texts: no download, no prior knowledge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCABULARY = 8000
PAD, FIRST, SEPARATOR = "[PAD]", "[CLS]", "[SEP]"
WIDTH, LAYERS, HEADS = 128, 2, 4


def build(texts: Iterable[str], *, max_length: int, dropout: float) -> tuple[Any, Any]:
    """A two-layer ModernBERT of width 128 that scores the mean of all tokens, and its tokenizer."""
    tokenizer = tokenizer_of(texts, max_length=max_length)
    config = transformers.ModernBertConfig(
        vocab_size=math.ceil(len(tokenizer) / 8) * 8,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        global_attn_every_n_layers=1,
        max_position_embeddings=max_length,
        classifier_pooling="mean",
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=None,
        eos_token_id=None,
        embedding_dropout=dropout,
        attention_dropout=dropout,
        mlp_dropout=dropout,
        classifier_dropout=dropout,
    )
    model = transformers.AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    return model, tokenizer


def tokenizer_of(texts: Iterable[str], *, max_length: int) -> Any:
    """Byte-level BPE over lower-cased texts: every text can be read, and the same texts give the same tokenizer.

    WordPiece would not: its trainer numbers the pieces in the order of a hash table, and a run that starts again after
    a kill would get other weights.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=[PAD, FIRST, SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(texts)), trainer)
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.BertProcessing((SEPARATOR, ids[SEPARATOR]), (FIRST, ids[FIRST]))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        cls_token=FIRST,
        sep_token=SEPARATOR,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
    )
