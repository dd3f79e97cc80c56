"""Answers that a policy writes: sampled from its own distribution and nothing else.

transformers' `generate` does the reading and caching; which token comes is decided here. A folder may carry settings
for its use in a chat (top-p, a repetition penalty, a least length): they are put aside, since the log-probabilities and
the KL of a policy speak of the policy itself.

Each answer has a stream of random numbers of its own, one number a token, turned into a token by the inverse of the
cumulative distribution. So it depends on seed, stream and its place in the file, and not on what it is batched with,
up to rounding: padding changes the last digits of a logit, and a number that falls just there takes another token.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from workers.training import safety
from workers.training.causal import Policy
from workers.training.completions import Completions, Prompt
from workers.training.encoding import Sequence
from workers.training.errors import BadInput
from workers.training.packing import Ids

MINIMUM_ANSWER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How answers are drawn; a temperature of 0 takes the likeliest token each time, and needs no seed."""

    max_new_tokens: int
    temperature: float
    seed: int
    batch_size: int
    precision: torch.dtype

    def check(self) -> None:
        if self.max_new_tokens < MINIMUM_ANSWER or self.batch_size < 1:
            raise BadInput("--max-new-tokens and --batch-size must be 1 or more.")
        if not 0 <= self.temperature <= 100:
            raise BadInput("--temperature must be from 0 (the likeliest token each time) to 100.")
        if self.seed < 0:
            raise BadInput("--seed must be 0 or more.")


@dataclass(frozen=True, slots=True)
class Answer:
    """`sequence` is the prompt with what was written, the end token included; `has_ended` is False where the room for
    new tokens ran out first, so that the answer is cut.
    """

    sequence: Sequence
    text: str
    has_ended: bool

    @property
    def written(self) -> Ids:
        """The tokens of the answer, without its end."""
        ids = self.sequence.ids[self.sequence.n_first :]
        return ids[:-1] if self.has_ended else ids


def answer(
    policy: Policy,
    prompts: list[Prompt],
    sampling: Sampling,
    device: torch.device,
    *,
    stream: int,
    between: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """One answer to each prompt, in their order. `stream` keeps the chance of one policy apart from another's;
    `between` is called for each batch.

    `BadInput` where a prompt leaves no room: an answer to half a question would be measured as if it were one.
    """
    completions = Completions(policy.tokenizer, max_length=0)  # nothing is cut here
    asked = completions.prompts(prompts)
    check_room(policy, asked, sampling.max_new_tokens)
    ends = _ends(policy)
    found: dict[int, Answer] = {}
    order = sorted(range(len(asked)), key=lambda number: len(asked[number]))
    with _as_it_is(policy):
        for at in range(0, len(order), sampling.batch_size):
            between()
            numbers = order[at : at + sampling.batch_size]
            draw = _Draw.of(numbers, sampling, device, stream=stream)
            written = _written(policy, [asked[number] for number in numbers], draw, ends, sampling, device)
            for number, ids in zip(numbers, written, strict=True):
                whole = Sequence((*asked[number], *ids), len(asked[number]))
                found[number] = Answer(whole, completions.text(ids), has_ended=ids[-1] in ends)
    return [found[number] for number in range(len(asked))]


def check_room(policy: Policy, asked: list[Ids], max_new_tokens: int) -> None:
    """Refuse a prompt that leaves no room for an answer; empty ones give a model nothing to begin with."""
    limit = safety.capacity(policy.inner, policy.tokenizer)
    for number, ids in enumerate(asked, start=1):
        if not ids:
            raise BadInput(f"Prompt {number} has no tokens for {policy.base}. Give it words.")
        if limit is not None and len(ids) + max_new_tokens > limit:
            raise BadInput(
                f"Prompt {number} has {len(ids):,} tokens, and {policy.base} can read {limit:,}, of which "
                f"{max_new_tokens:,} are kept for the answer. Shorten it, leave it out, or give a smaller "
                "--max-new-tokens."
            )


@dataclass(frozen=True, slots=True)
class _Draw:
    """A processor of logits for `generate`, which then takes the likeliest token: all but the drawn one get −∞.

    `uniforms` (rows, new tokens) in [0, 1); None takes the likeliest token as it is.
    """

    uniforms: torch.Tensor | None
    temperature: float

    @classmethod
    def of(cls, numbers: list[int], sampling: Sampling, device: torch.device, *, stream: int) -> _Draw:
        if sampling.temperature == 0:
            return cls(None, 0.0)
        rows = [
            np.random.default_rng([sampling.seed, stream, number]).random(sampling.max_new_tokens) for number in numbers
        ]
        return cls(torch.from_numpy(np.stack(rows)).to(device), sampling.temperature)

    def tokens(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """(rows, 1): the token of the step-th number, from logits (rows, vocabulary)."""
        if self.uniforms is None:
            return logits.argmax(dim=-1, keepdim=True)
        sums = torch.softmax(logits.double() / self.temperature, dim=-1).cumsum(dim=-1)
        wanted = self.uniforms[:, step, None] * sums[:, -1:]
        return torch.searchsorted(sums, wanted, right=True).clamp(max=logits.shape[1] - 1)


def _written(
    policy: Policy, prompts: list[Ids], draw: _Draw, ends: list[int], sampling: Sampling, device: torch.device
) -> list[Ids]:
    """What is written behind each prompt, up to its first end token. Padded on the left, and masked."""
    longest = max(map(len, prompts))
    padding = ends[0] if policy.tokenizer.pad_token_id is None else policy.tokenizer.pad_token_id
    ids = torch.full((len(prompts), longest), padding)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1

    def only_the_drawn(so_far: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        tokens = draw.tokens(logits, so_far.shape[1] - longest)
        return torch.full_like(logits, -torch.inf).scatter(1, tokens, 0.0)

    settings = transformers.GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        pad_token_id=padding,
        eos_token_id=ends,
    )
    is_lower = sampling.precision != torch.float32
    with torch.inference_mode(), torch.autocast(device.type, sampling.precision, enabled=is_lower):
        found = policy.inner.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=settings,
            logits_processor=[only_the_drawn],
        )
    return [_to_its_end(row, ends) for row in found[:, longest:].tolist()]


def _to_its_end(row: list[int], ends: list[int]) -> Ids:
    """Rows that ended early are padded on the right, perhaps with the end token itself."""
    last = next((n for n, token in enumerate(row) if token in ends), len(row) - 1)
    return tuple(row[: last + 1])


def _ends(policy: Policy) -> list[int]:
    """The end-of-text token, and what else the folder says an answer ends with (chat models have several)."""
    others: Any = getattr(policy.inner.generation_config, "eos_token_id", None)
    others = others if isinstance(others, list) else [] if others is None else [others]
    return list(dict.fromkeys([int(policy.tokenizer.eos_token_id), *map(int, others)]))


@contextlib.contextmanager
def _as_it_is(policy: Policy) -> Iterator[None]:
    """Without dropout, and without the folder's settings for sampling, which `generate` would mix into ours."""
    model = policy.inner
    was_training, settings = policy.model.training, model.generation_config
    policy.model.eval()
    model.generation_config = transformers.GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = settings
        policy.model.train(was_training)
