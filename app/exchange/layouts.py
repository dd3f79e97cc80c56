r"""Chosen and rejected, as preference data sets write them, taken apart into one prompt and two answers.

Three ways are known: with a prompt of its own; two lists of messages that share all but the last (TRL's implicit
prompt); two transcripts with "\n\nHuman:" and "\n\nAssistant:" turns (Anthropic's hh-rlhf).
"""

from __future__ import annotations

import re
from typing import Any

from app.exchange.problems import RowError

_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLE = {"Human": "user", "Assistant": "assistant"}

Turns = list[dict[str, Any]]


def split_pair(prompt: Any, chosen: Any, rejected: Any) -> tuple[Any, Any, Any]:
    """Prompt, chosen answer and rejected answer. Raises RowError where the two share no prompt.

    A prompt of the row's own wins: texts beside it are the answers as they stand, and lists of messages beside it may
    repeat it.
    """
    prompt = None if prompt in ("", []) else prompt
    if isinstance(chosen, str) and isinstance(rejected, str):
        if prompt is not None:
            return prompt, chosen, rejected
        return _shared(read_transcript(chosen, "chosen"), read_transcript(rejected, "rejected"))
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise RowError("pair_no_prompt", "rejected" if isinstance(chosen, list) else "chosen")
    history, chosen_text, rejected_text = _shared(chosen, rejected, prompt_known=prompt is not None)
    if prompt is None:
        return history, chosen_text, rejected_text
    if history and not _repeats(history, prompt):
        raise RowError("pair_prompt", "prompt")
    return history or prompt, chosen_text, rejected_text


def read_transcript(text: str, column: str) -> Turns:
    """The turns of an hh-rlhf transcript as messages; their outer spaces are no part of them."""
    pieces = _TURN.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        raise RowError("pair_no_prompt", column)
    turns: Turns = []
    for name, content in zip(pieces[1::2], pieces[2::2], strict=True):
        turns.append({"role": _ROLE[name], "content": content.strip()})
    return turns


def _shared(chosen: Turns, rejected: Turns, *, prompt_known: bool = False) -> tuple[Turns, Any, Any]:
    """What both have before their last message, and the two last messages' contents."""
    for turns, column in ((chosen, "chosen"), (rejected, "rejected")):
        last = turns[-1] if turns else None
        if not isinstance(last, dict) or last.get("role") != "assistant":
            raise RowError("pair_prompt", column)
    history = chosen[:-1]
    if history != rejected[:-1] or (not history and not prompt_known):
        raise RowError("pair_prompt", "rejected")
    return history, chosen[-1].get("content"), rejected[-1].get("content")


def _repeats(history: Turns, prompt: Any) -> bool:
    """Whether the messages before the answers are the row's own prompt."""
    if isinstance(prompt, str):
        return isinstance(history[-1], dict) and history[-1].get("content") == prompt
    return bool(history == list(prompt) if isinstance(prompt, list | tuple) else False)
