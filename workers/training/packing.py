"""Prompts with their completions as rows of tokens, in whichever layout costs least; the numbers are the same in each.

A *tree* is a prompt and the completions that follow it: one for a demonstration, two for a pair. In the padded layout
each completion stands in a row of its own behind its own copy of the prompt. In the shared one a tree is one row: the
prompt once, then its completions, each of which sees the prompt and itself but not the others, with positions that
begin anew behind the prompt. In the packed one several trees share a row and do not see each other. What sees what
is a boolean mask (rows, 1, length, length), which scaled dot product attention takes as it is.

Sharing saves the second reading of a prompt and packing saves padding; both make longer rows, whose attention costs
more. On rows of equal length packing is slower. So the layout is chosen for each batch by an estimate of its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from workers.training.encoding import Sequence as TokenSequence

Layout = Literal["padded", "shared", "packed"]
Ids = tuple[int, ...]

PART = 8
"""Sequences that a processor computes at a time: padding costs as much as text there, and short rows stay in cache."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A prompt's token ids and those of each completion. Neither is empty where log-probabilities are asked for."""

    prompt: Ids
    completions: tuple[Ids, ...]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with its longest completion."""
        return len(self.prompt) + max(map(len, self.completions))

    @property
    def n_tokens(self) -> int:
        return len(self.prompt) + sum(map(len, self.completions))


@dataclass(frozen=True, slots=True)
class Work:
    """What a model's layers cost: `per_token` parameters that a token meets, `per_pair` the width of all attention."""

    per_token: float
    per_pair: float

    def of(self, rows: Rows) -> float:
        """Multiplications for rows padded to the longest."""
        return len(rows) * self.of_row(max(map(_length, rows)))

    def of_row(self, length: int) -> float:
        """Attention runs at about half the speed of plain products."""
        return length * (self.per_token + 4 * self.per_pair * length)


def work_of(model: Any) -> Work:
    """Of a model of transformers, whatever its head."""
    config = model.config.get_text_config()
    body = sum(value.numel() for value in model.base_model.parameters())
    body -= model.get_input_embeddings().weight.numel()
    return Work(per_token=body, per_pair=config.num_hidden_layers * config.hidden_size)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows on a device. `positions` and `mask` are None where plain causal attention does: one sequence a row.

    For each of the n completion tokens, (n,): `before`, the flat index rows * length of the token that predicts it;
    `targets`, its id; `owners`, the number of its completion, counted through the trees in their order. For each
    completion `ends`, (n_completions,): the flat index of its last token.
    """

    ids: torch.Tensor
    positions: torch.Tensor | None
    mask: torch.Tensor | None
    before: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    ends: torch.Tensor
    n_tokens: int

    @property
    def n_completions(self) -> int:
        return len(self.ends)


Piece = tuple[int, Tree]  # the number of its first completion, and the tree or a part of it
Rows = list[list[Piece]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Sequences as they are computed: batches one after the other, and which sequence each completion is, in order."""

    batches: list[Batch]
    order: list[int]

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """(sequences,) sums of a value per completion token, (n,) through all batches, in the sequences' order."""
        found, first = [], 0
        for batch in self.batches:
            part = values[first : first + len(batch.targets)]
            found.append(values.new_zeros(batch.n_completions).index_add(0, batch.owners, part))
            first += len(batch.targets)
        return self.in_order(torch.cat(found))

    def in_order(self, values: torch.Tensor) -> torch.Tensor:
        """What stands for each completion, (sequences, …) through all batches, in the sequences' order."""
        places = torch.empty(len(self.order), dtype=torch.long)
        places[torch.tensor(self.order)] = torch.arange(len(self.order))
        return values[places.to(values.device)]

    @property
    def n_tokens(self) -> int:
        return sum(batch.n_tokens for batch in self.batches)


def plan_of(sequences: Sequence[TokenSequence], layout: Layout | None, work: Work, device: torch.device) -> Plan:
    """Sequences with the same prompt meet in trees; on a processor a few trees are computed at a time."""
    batches, order = [], []
    for part in _parts(_trees(sequences, work), device):
        batches.append(collate(arrange([tree for tree, _ in part], layout, work), device))
        order += [number for _, numbers in part for number in numbers]
    return Plan(batches, order)


Numbered = tuple[Tree, list[int]]  # a tree, and the numbers of its sequences


def _parts(trees: list[Numbered], device: torch.device) -> list[list[Numbered]]:
    """Trees with up to `PART` sequences, on a GPU all of them."""
    if device.type != "cpu":
        return [trees]
    parts: list[list[Numbered]] = []
    room = 0
    for tree, numbers in trees:
        if room < len(numbers):
            parts.append([])
            room = PART
        parts[-1].append((tree, numbers))
        room -= len(numbers)
    return parts


def _trees(sequences: Sequence[TokenSequence], work: Work) -> list[Numbered]:
    """From short to long. As many completions follow one copy of their prompt as costs least."""
    prompts: dict[Ids, list[int]] = {}
    for number in sorted(range(len(sequences)), key=lambda number: len(sequences[number].ids)):
        prompts.setdefault(sequences[number].prompt, []).append(number)
    found: list[Numbered] = []
    for prompt, numbers in prompts.items():
        completions = [sequences[n].ids[len(prompt) :] for n in numbers]
        size = _cheapest([len(each) for each in completions], len(prompt), work)
        parts = [slice(at, at + size) for at in range(0, len(numbers), size)]
        found += [(Tree(prompt, tuple(completions[part])), numbers[part]) for part in parts]
    return sorted(found, key=lambda each: each[0].longest)


def _cheapest(lengths: list[int], n_prompt: int, work: Work) -> int:
    """How many completions of these lengths to a tree, at least two where there are two: rows are arranged later."""

    def cost(size: int) -> float:
        return sum(work.of_row(n_prompt + sum(lengths[at : at + size])) for at in range(0, len(lengths), size))

    return min(range(min(2, len(lengths)), min(PART, len(lengths)) + 1), key=cost)


def arrange(trees: Sequence[Tree], layout: Layout | None, work: Work) -> Rows:
    """The trees as rows in a layout, or in the cheapest one where it is None."""
    if layout is not None:
        return _arranged(trees, layout)
    return min((_arranged(trees, each) for each in ("padded", "shared", "packed")), key=work.of)


def _arranged(trees: Sequence[Tree], layout: str) -> Rows:
    rows: Rows = []
    first = 0
    for tree in trees:
        if layout == "padded":
            rows += [[(first + n, Tree(tree.prompt, (each,)))] for n, each in enumerate(tree.completions)]
        else:
            rows.append([(first, tree)])
        first += len(tree.completions)
    return _packed(rows) if layout == "packed" else rows


def _packed(rows: Rows) -> Rows:
    """First fit, longest first, into rows as long as the longest."""
    room = max(map(_length, rows))
    packed: Rows = []
    free: list[int] = []
    for row in sorted(rows, key=_length, reverse=True):
        place = next((n for n, left in enumerate(free) if left >= _length(row)), None)
        if place is None:
            packed.append([*row])
            free.append(room - _length(row))
        else:
            packed[place] += row
            free[place] -= _length(row)
    return packed


def _length(row: list[Piece]) -> int:
    return sum(tree.n_tokens for _, tree in row)


def collate(rows: Rows, device: torch.device) -> Batch:
    """Tensors of rows that `arrange` made, padded on the right."""
    shape = len(rows), max(map(_length, rows))
    ids, positions, trees, branches = (torch.zeros(shape, dtype=torch.long) for _ in range(4))
    before: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    ends = [0] * sum(len(tree.completions) for row in rows for _, tree in row)
    n_trees = 0
    for number, row in enumerate(rows):
        at = 0
        for first, tree in row:
            n_trees += 1
            n_prompt, start = len(tree.prompt), at
            ids[number, at : at + n_prompt] = torch.tensor(tree.prompt)
            positions[number, at : at + n_prompt] = torch.arange(n_prompt)
            at += n_prompt
            for branch, completion in enumerate(tree.completions, start=1):
                n = len(completion)
                ids[number, at : at + n] = torch.tensor(completion)
                positions[number, at : at + n] = torch.arange(n_prompt, n_prompt + n)
                branches[number, at : at + n] = branch
                last = number * shape[1] + start + n_prompt - 1
                before += [last, *range(number * shape[1] + at, number * shape[1] + at + n - 1)]
                targets += completion
                owners += [first + branch - 1] * n
                at += n
                ends[first + branch - 1] = number * shape[1] + at - 1 if n else last
            trees[number, start:at] = n_trees  # padding keeps 0, and sees padding only
    is_plain = all(len(row) == 1 and len(row[0][1].completions) == 1 for row in rows)
    return Batch(
        ids=ids.to(device),
        positions=None if is_plain else positions.to(device),
        mask=None if is_plain else _mask(trees.to(device), branches.to(device)),
        before=torch.tensor(before, device=device),
        targets=torch.tensor(targets, device=device),
        owners=torch.tensor(owners, device=device),
        ends=torch.tensor(ends, device=device),
        n_tokens=int((trees > 0).sum()),
    )


def _mask(trees: torch.Tensor, branches: torch.Tensor) -> torch.Tensor:
    """(rows, 1, length, length), True where the query (third) sees the key (fourth): earlier tokens of its tree that
    are prompt or of its own completion. Each token sees itself, so that no softmax is over nothing.
    """
    same = trees[:, :, None] == trees[:, None, :]
    own = (branches[:, None, :] == 0) | (branches[:, :, None] == branches[:, None, :])
    return (same & own).tril()[:, None]


@torch.no_grad()
def can_share(model: Any, read: Callable[[Batch], torch.Tensor], *, max_length: int) -> bool:
    """Whether a causal model of transformers reads a mask of ours and restarting positions as meant: found out by
    trying, with what `read` finds for each completion, (n_completions, …).

    Models with windows, recurrences, or positions counted from the mask do not; they read padded rows.
    """
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    if config._attn_implementation != "sdpa" or any(window and window < max_length for window in windows):  # noqa: SLF001
        return False
    size = model.get_input_embeddings().num_embeddings
    ids = tuple(1 + n % (size - 1) for n in range(18))
    trees = [Tree(ids[:4], (ids[4:7], ids[7:9])), Tree(ids[9:11], (ids[11:13],)), Tree(ids[13:15], (ids[15:18],))]
    was_training = model.training
    model.eval()
    try:
        padded, packed = (read(collate(_arranged(trees, each), model.device)) for each in ("padded", "packed"))
    except Exception:  # noqa: BLE001 - whatever a model says to such a mask, the answer is no
        return False
    finally:
        model.train(was_training)
    return torch.allclose(padded, packed, atol=1e-3, rtol=1e-4)
