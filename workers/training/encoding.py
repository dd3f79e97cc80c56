"""From texts to token ids: one sequence for a prompt with one response, cut by a stated rule, and counted.

The rule: a sequence that is too long loses the beginning of its prompt first, until the prompt is down to a quarter of
the room; then the response loses its end. It looks at one response only, so that the score of a response never
depends on what it is compared with.

Encoders read their own pair form ([CLS] prompt [SEP] response [SEP]); causal models their chat template or, where
there is none, prompt, an empty line, response and the end-of-text token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from workers.training.data import Messages, Pair
from workers.training.models import Scorer

Key = tuple[str, str]  # prompt as text, response


@dataclass(frozen=True, slots=True)
class Sequence:
    """Token ids, of which the first `n_first` belong to the prompt's part."""

    ids: tuple[int, ...]
    n_first: int

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.ids[: self.n_first]


@dataclass(slots=True)
class Encoded:
    """Two sequences for each pair, and how many distinct ones were cut."""

    chosen: list[Sequence] = field(default_factory=list)
    rejected: list[Sequence] = field(default_factory=list)
    n_prompts_cut: int = 0
    n_responses_cut: int = 0

    @property
    def lengths(self) -> list[int]:
        return [max(len(a.ids), len(b.ids)) for a, b in zip(self.chosen, self.rejected, strict=True)]


class Encoder:
    """Turns pairs into sequences for one model; each distinct text is tokenised once."""

    def __init__(self, scorer: Scorer, *, max_length: int) -> None:
        self.tokenizer = scorer.tokenizer
        self.has_template = scorer.is_causal and bool(getattr(scorer.tokenizer, "chat_template", None))
        self.form = "template" if self.has_template else "text" if scorer.is_causal else "pair"
        self.prefix, self.middle, self.suffix = self._frame(is_causal=scorer.is_causal)
        self.room = max_length - len(self.prefix) - len(self.middle) - len(self.suffix)

    def encode(self, pairs: list[Pair]) -> Encoded:
        wanted = {(plain(pair.prompt), text): pair.prompt for pair in pairs for text in (pair.chosen, pair.rejected)}
        tokenise = self._in_template if self.has_template else self._apart
        found, encoded = {}, Encoded()
        for key, (before, after) in tokenise(wanted).items():
            first, second = cut(before, after, room=self.room)
            encoded.n_prompts_cut += len(first) < len(before)
            encoded.n_responses_cut += len(second) < len(after)
            head = (*self.prefix, *first, *self.middle)
            found[key] = Sequence((*head, *second, *self.suffix), len(head))
        for pair in pairs:
            encoded.chosen.append(found[plain(pair.prompt), pair.chosen])
            encoded.rejected.append(found[plain(pair.prompt), pair.rejected])
        return encoded

    def _apart(self, wanted: dict[Key, str | Messages]) -> dict[Key, tuple[list[int], list[int]]]:
        """Prompt and response as two texts; words that look like special tokens stay words."""
        texts = list({text for key in wanted for text in key})
        ids = dict(zip(texts, self._ids(texts), strict=True))
        return {key: (ids[key[0]], ids[key[1]]) for key in wanted}

    def _in_template(self, wanted: dict[Key, str | Messages]) -> dict[Key, tuple[list[int], list[int]]]:
        """The conversation as one text, exactly as anybody else would tokenise it; where the response begins is read
        off the characters. A template may write earlier turns differently once they are answered: then all of it
        counts as response.
        """
        befores, wholes = [], []
        for (_, response), prompt in wanted.items():
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
            answer = {"role": "assistant", "content": response}
            whole = str(self.tokenizer.apply_chat_template([*messages, answer], tokenize=False))
            before = str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
            befores.append(len(before) if whole.startswith(before) else 0)
            wholes.append(whole)
        tokens = self.tokenizer(wholes, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        found = {}
        for key, end, ids, offsets in zip(wanted, befores, tokens["input_ids"], tokens["offset_mapping"], strict=True):
            n = sum(stop <= end for _, stop in offsets)
            found[key] = (ids[:n], ids[n:])
        return found

    def _ids(self, texts: list[str]) -> list[list[int]]:
        tokens = self.tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(tokens["input_ids"])

    def _frame(self, *, is_causal: bool) -> tuple[list[int], list[int], list[int]]:
        """The special tokens that stand before, between and after, read off an example."""
        if self.has_template:
            return [], [], []
        if not is_causal:
            example = self.tokenizer("a", "b")
            parts, ids = example.sequence_ids(0), example["input_ids"]
            first = [n for n, part in enumerate(parts) if part == 0]
            second = [n for n, part in enumerate(parts) if part == 1]
            return ids[: first[0]], ids[first[-1] + 1 : second[0]], ids[second[-1] + 1 :]
        example = self.tokenizer("a")
        parts, ids = example.sequence_ids(0), example["input_ids"]
        inside = [n for n, part in enumerate(parts) if part == 0]
        end = self.tokenizer.eos_token_id
        suffix = ids[inside[-1] + 1 :] or ([] if end is None else [end])
        return ids[: inside[0]], self._ids(["\n\n"])[0], suffix


def plain(prompt: str | Messages) -> str:
    """A conversation as text, for models without a template: each turn under its role."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def cut(prompt: list[int], response: list[int], *, room: int) -> tuple[list[int], list[int]]:
    """The rule of this module: the prompt's beginning first, down to a quarter of the room; then the response's end."""
    over = len(prompt) + len(response) - room
    if over <= 0:
        return prompt, response
    from_prompt = min(over, max(0, len(prompt) - room // 4))
    over -= from_prompt
    return prompt[from_prompt:], response[: len(response) - over]


def collate(sequences: list[Sequence], scorer: Scorer, device: torch.device) -> dict[str, torch.Tensor]:
    """Padded on the right to the longest: input_ids, attention_mask and, for models that know it, token_type_ids."""
    longest = max(len(sequence.ids) for sequence in sequences)
    shape = (len(sequences), longest)
    batch = {
        "input_ids": torch.full(shape, scorer.tokenizer.pad_token_id, dtype=torch.long),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
    }
    has_types = "token_type_ids" in scorer.tokenizer.model_input_names
    if has_types and not scorer.is_causal and (getattr(scorer.model.config, "type_vocab_size", 0) or 0) > 1:
        batch["token_type_ids"] = torch.zeros(shape, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        size = len(sequence.ids)
        batch["input_ids"][row, :size] = torch.tensor(sequence.ids)
        batch["attention_mask"][row, :size] = 1
        if "token_type_ids" in batch:
            batch["token_type_ids"][row, sequence.n_first : size] = 1
    return {name: tensor.to(device) for name, tensor in batch.items()}
