"""Language models to be trained: from a folder, a hub name or from scratch, whole or by a LoRA adapter.

What a run leaves is an `AutoModelForCausalLM` that plain transformers loads. With LoRA (Hu et al. 2021) the base stays
as it is and a checkpoint holds the adapter only; the result is both: the merged model, and the adapter in a folder of
its own for peft (adapters.py). The base with its adapter switched off is the reference.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from workers.training import adapters, processes, safety, scratch
from workers.training.adapters import Lora
from workers.training.encoding import Sequence as TokenSequence
from workers.training.errors import BadInput
from workers.training.logps import Tokens, logps_of_logits, token_logps
from workers.training.packing import Batch, Layout, Plan, Work, can_share, plan_of, work_of


@dataclass(frozen=True, slots=True)
class Read:
    """Sequences as they were computed, and what was found for each token of their completions."""

    plan: Plan
    tokens: Tokens

    @property
    def logps(self) -> torch.Tensor:
        """(sequences,) log-probability of each completion."""
        return self.plan.sums(self.tokens.logps)


@dataclass(slots=True)
class Policy:
    """A causal model and its tokenizer; `base` says in words what it was made from.

    `layout` is None where the model may be given prompts with several completions in one row; else the only layout it
    can read (padded). `has_plain_head` says whether its logits are one product of its hidden states.
    """

    model: Any
    tokenizer: Any
    base: str
    layout: Layout | None
    has_plain_head: bool
    work: Work

    @property
    def has_adapter(self) -> bool:
        return adapters.is_on(self.model)

    @property
    def inner(self) -> Any:
        """The model of transformers, with the adapter's layers in it where there is one."""
        return adapters.without(self.model)

    def save(self, folder: Path) -> None:
        """For a checkpoint: the whole model, or the adapter alone."""
        adapters.save(self.model, folder)
        self.tokenizer.save_pretrained(folder)

    def save_result(self, folder: Path) -> None:
        """As plain transformers reads it; an adapter is merged into the model, and lies beside it. Ends the policy."""
        self.model = adapters.save_apart_and_merge(self.model, folder)
        self.save(folder)

    @contextlib.contextmanager
    def as_reference(self) -> Iterator[None]:
        """In evaluation mode, the adapter switched off: what the run began with, if nothing else was trained."""
        was_training = self.model.training
        self.model.eval()
        try:
            with self.model.disable_adapter() if self.has_adapter else contextlib.nullcontext():
                yield
        finally:
            self.model.train(was_training)

    def read(self, sequences: Sequence[TokenSequence], device: torch.device, precision: torch.dtype) -> Read:
        """These sequences with gradients, in the cheapest layout that the model can read."""
        plan = plan_of(sequences, self.layout, self.work, device)
        return Read(plan, self.tokens(plan.batches, precision))

    def tokens(self, batches: Sequence[Batch], precision: torch.dtype) -> Tokens:
        """Of every completion token of the batches, in their order."""
        targets = torch.cat([batch.targets for batch in batches])
        device = targets.device
        is_lower = precision != torch.float32
        with torch.autocast(device.type, precision, enabled=is_lower):
            outputs = torch.cat([self._before(batch) for batch in batches])
        if not self.has_plain_head:
            return logps_of_logits(outputs, targets)
        head = self.inner.get_output_embeddings()
        return token_logps(outputs, head.weight, head.bias, targets, precision)

    def _before(self, batch: Batch) -> torch.Tensor:
        """(n, width) hidden states, or logits where the head is no plain product, of the tokens before each target."""
        asked = {"input_ids": batch.ids, "use_cache": False}
        if batch.mask is not None:
            asked |= {"attention_mask": batch.mask, "position_ids": batch.positions}
        if self.has_plain_head:
            outputs = self.inner.base_model(**asked).last_hidden_state
        else:
            outputs = self.inner(**asked).logits
        return outputs.flatten(0, 1)[batch.before]  # type: ignore[no-any-return]

    def logps(
        self,
        sequences: Sequence[TokenSequence],
        *,
        batch_size: int,
        device: torch.device,
        precision: torch.dtype,
        between: Callable[[], None],
    ) -> dict[TokenSequence, list[float]]:
        """Sums over each completion, without gradients: log-probability, entropy, tokens that came first.

        Each distinct sequence is read once, those with one prompt together; several processes share them. `between`
        is called for each batch.
        """
        prompts: dict[tuple[int, ...], list[TokenSequence]] = {}
        for sequence in dict.fromkeys(sequences):
            prompts.setdefault(sequence.prompt, []).append(sequence)
        ordered = sorted(prompts.values(), key=lambda group: max(len(each.ids) for each in group))
        distinct = [sequence for group in ordered for sequence in group]
        found = torch.zeros(len(distinct), 3, dtype=torch.float64, device=device)
        was_training = self.model.training
        self.model.eval()
        try:
            for at in processes.share(range(0, len(distinct), batch_size)):
                between()
                with torch.inference_mode():
                    read = self.read(distinct[at : at + batch_size], device, precision)
                    values = (read.tokens.logps, read.tokens.entropy, read.tokens.is_top.float())
                    found[at : at + batch_size] = torch.stack([read.plan.sums(each) for each in values], dim=1)
        finally:
            self.model.train(was_training)
        return dict(zip(distinct, processes.add_up(found).tolist(), strict=True))

    def fingerprint(self) -> str:
        """The sha256 of all weights but the adapter's: the reference, whatever its folder is called."""
        digest = hashlib.sha256()
        for name, value in sorted(self.inner.named_parameters()):
            if "lora_" not in name:
                digest.update(name.replace(".base_layer", "").encode())
                digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def begin_training(self, *, gradient_checkpointing: bool) -> None:
        if not any(value.requires_grad for value in self.model.parameters()):
            raise BadInput(f"No layer of {self.base} would be trained: the adapter has no layer or is inactive.")
        if gradient_checkpointing:
            inner = self.inner
            # Renamed in transformers 5.
            enable = getattr(inner, "activation_checkpointing_enable", None) or inner.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        self.model.train()


def load(name: str, *, texts: Iterable[str], max_length: int, dropout: float, lora: Lora | None) -> Policy:
    """The model that `name` means: scratch, a folder, or a name on the hub; `BadInput` says why not.

    What is new in it is drawn from torch's generator: seed it first.
    """
    if name != "scratch":
        return _ready(*_read(safety.find(name), dropout=dropout, base=name), name, max_length=max_length, lora=lora)
    model, tokenizer = scratch.build_causal(texts, max_length=max_length, dropout=dropout)
    return _ready(model, tokenizer, name, max_length=max_length, lora=None)


def resume(folder: Path, *, name: str, base: str, max_length: int, dropout: float, is_adapter: bool) -> Policy:
    """What `Policy.save` wrote: the whole model, or an adapter for the model `name`."""
    if not is_adapter:
        return _ready(*_read(folder, dropout=dropout, base=base), base, max_length=max_length, lora=None)
    policy = load(name, texts=[], max_length=max_length, dropout=dropout, lora=None)
    policy.model = adapters.read(policy.model, folder)
    return policy


def _read(folder: Path, *, dropout: float, base: str) -> tuple[Any, Any]:
    model, tokenizer, loading = safety.read(folder, transformers.AutoModelForCausalLM, dropout=dropout, base=base)
    safety.check_missing(sorted(loading["missing_keys"]), base=base, kind=model.config.model_type)
    if tokenizer.eos_token_id is None:
        raise BadInput(f"The tokenizer of {base} has no end-of-text token, so that no answer could ever end.")
    return model, tokenizer


def _ready(model: Any, tokenizer: Any, base: str, *, max_length: int, lora: Lora | None) -> Policy:
    safety.check_capacity(model, tokenizer, max_length, base=base)
    policy = Policy(model, tokenizer, base, "padded", has_plain_head=_has_plain_head(model), work=work_of(model))

    def sums(batch: Batch) -> torch.Tensor:
        logps = policy.tokens([batch], torch.float32).logps
        return logps.new_zeros(batch.n_completions).index_add(0, batch.owners, logps)

    policy.layout = None if can_share(model, sums, max_length=max_length) else "padded"
    if lora is not None:
        policy.model = adapters.put_on(model, lora, task="CAUSAL_LM")
    return policy


@torch.no_grad()
def _has_plain_head(model: Any) -> bool:
    """Whether hidden states times the output embeddings are the logits: some models scale, cap or project them."""
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear):
        return False
    model.eval()
    ids = torch.arange(1, 6)[None] % model.get_input_embeddings().num_embeddings
    logits = model(input_ids=ids, use_cache=False).logits
    found = head(model.base_model(input_ids=ids, use_cache=False).last_hidden_state)
    return found.shape == logits.shape and torch.allclose(found, logits, atol=1e-4, rtol=1e-4)
