"""One record of a file -> one checked ImportRow, or the first thing that is wrong with it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from typing import Any

from app.exchange.judgements import Names, listed_names, read_gold, read_votes
from app.exchange.layouts import split_pair
from app.exchange.problems import RowError, kind_of, shorten, stop
from app.exchange.records import Unparsed, column_name
from app.exchange.rows import (
    COLUMNS,
    MAX_RESPONSES,
    RESPONSE_NAMES,
    ROLES,
    ImportRow,
    Limits,
    Message,
    ReadOptions,
    Response,
    Vote,
)
from app.exchange.values import check_documents, check_text, read_metadata, read_name

_TWO_NEEDED = "Give every task at least two responses."


def check_columns(columns: Iterable[str], *, fewest_responses: int = 2) -> None:
    """Raises UnreadableFileError when no task can be made of these columns: what was found, what is missing."""
    found = list(columns)
    names = set(found)
    pair = {"chosen", "rejected"}
    if pair <= names:
        return
    needed = []
    if "prompt" not in names:
        needed.append("prompt")
    if "responses" not in names:
        if names & pair:
            needed += sorted(pair - names)
        else:
            needed += [name for name in RESPONSE_NAMES[:fewest_responses] if name not in names]
    if not needed:
        return
    known = set(COLUMNS)
    hints = []
    for name in needed:
        close = difflib.get_close_matches(name, [column_name(each) for each in found if each not in known], 1, 0.5)
        if close:
            written = next(each for each in found if column_name(each) == close[0])
            hints.append(f"Rename {shorten(written)} to {name}.")
    raise stop(
        "columns_missing",
        found=", ".join(shorten(name, 40) for name in found[:20]) + (" and more" if len(found) > 20 else ""),
        needed=" and ".join(needed),
        hint=" ".join(hints) or "Name them in the first line (CSV) or in each object (JSONL).",
    )


def closest_column(unknown: str) -> str | None:
    """The known column that an unknown one was perhaps meant to be."""
    close = difflib.get_close_matches(column_name(unknown), COLUMNS, 1, 0.75)
    return close[0] if close else None


def parse_record(row: int, record: dict[str, Any], limits: Limits, options: ReadOptions) -> ImportRow:
    """The record, its columns named as in rows.COLUMNS, as a row. Raises RowError with the first thing wrong."""
    get = record.get
    prompt_value = get("prompt")
    votes: tuple[Vote, ...] = ()
    if get("chosen") is not None or get("rejected") is not None:
        prompt_value, responses, names = _pair_responses(record, limits)
        if options.chosen_votes:
            votes = (Vote(options.chosen_annotator, RESPONSE_NAMES[names.indexes["chosen"]]),)
    else:
        responses = _responses(record, limits, options.fewest_responses)
        names = listed_names(len(responses))
    prompt = _prompt(prompt_value, limits)
    if not options.keep_same:
        _check_different(responses, record)
    metadata = read_metadata(get("metadata"), "metadata", limits)
    check_documents(metadata, "metadata")
    return ImportRow(
        row=row,
        prompt=prompt,
        responses=responses,
        task_id=_task_id(get("task_id"), limits),
        domain=read_name(get("domain"), "domain", limits),
        language=read_name(get("language"), "language", limits),
        tags=_tags(get("tags"), limits),
        metadata=metadata,
        gold=read_gold(get("gold"), get("gold_explanation"), names, limits),
        votes=votes + read_votes(get("votes"), names, limits),
    )


def _task_id(value: Any, limits: Limits) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise RowError("task_id_kind", "task_id", kind=kind_of(value))
    return read_name(value, "task_id", limits)


def _prompt(value: Any, limits: Limits) -> str | tuple[Message, ...]:
    hint = "Give every task a prompt."
    if value is None or isinstance(value, str):
        return check_text(value, "prompt", limits.prompt_characters, hint)
    if not isinstance(value, list | tuple):
        raise RowError("prompt_kind", "prompt", kind=kind_of(value))
    if not value:
        raise RowError("empty", "prompt", hint=hint)
    messages = _messages(value, "prompt", limits)
    length = sum(len(message.content) for message in messages)
    if length > limits.prompt_characters:
        raise RowError("too_long", "prompt", length=length, limit=limits.prompt_characters)
    if messages[-1].role not in ("user", "tool"):
        raise RowError("message_last", "prompt", role=messages[-1].role)
    return messages


def _messages(values: Iterable[Any], column: str, limits: Limits) -> tuple[Message, ...]:
    """A list of {role, content} as messages; each is checked by itself."""
    values = list(values)
    if len(values) > limits.messages:
        raise RowError("messages_too_many", column, found=len(values), limit=limits.messages)
    messages = []
    for number, value in enumerate(values, 1):
        place = f"{column} (message {number})"
        if not isinstance(value, dict) or not isinstance(value.get("role"), str):
            raise RowError("message_kind", place)
        if value["role"] not in ROLES:
            raise RowError("message_role", place, role=shorten(value["role"]))
        content = check_text(value.get("content"), place, limits.prompt_characters, "Give every message a content.")
        messages.append(Message(value["role"], content))
    return tuple(messages)


def _pair_responses(record: dict[str, Any], limits: Limits) -> tuple[Any, tuple[Response, ...], Names]:
    """Prompt and responses of a row with chosen and rejected, and which of them is which.

    Which comes first is decided by their content, so that the place says nothing about the answer.
    """
    if any(record.get(name) is not None for name in ("responses", *RESPONSE_NAMES)):
        raise RowError("layout_mixed", one="chosen and rejected", other="responses")
    for column in ("chosen", "rejected"):
        if record.get(column) in (None, "", []):
            raise RowError("empty", column, hint="Give both, chosen and rejected.")
    prompt, *texts = split_pair(record.get("prompt"), record["chosen"], record["rejected"])
    chosen, rejected = (
        Response(
            check_text(text, column, limits.response_characters, _TWO_NEEDED),
            read_name(record.get(f"model_{column}"), f"model_{column}", limits),
        )
        for column, text in zip(("chosen", "rejected"), texts, strict=True)
    )
    if _place(chosen.text) <= _place(rejected.text):
        return prompt, (chosen, rejected), Names({"chosen": 0, "rejected": 1})
    return prompt, (rejected, chosen), Names({"chosen": 1, "rejected": 0})


def _place(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _responses(record: dict[str, Any], limits: Limits, fewest: int) -> tuple[Response, ...]:
    values = record.get("responses")
    if values is None:
        return _flat_responses(record, limits, fewest)
    if any(record.get(name) is not None for name in RESPONSE_NAMES):
        raise RowError("layout_mixed", one="responses", other="response_a, response_b …")
    if isinstance(values, Unparsed):
        raise RowError("cell_json", "responses", detail=str(values))
    if not isinstance(values, list | tuple):
        raise RowError("responses_kind", "responses", kind=kind_of(values))
    if len(values) < fewest:
        raise RowError("responses_few", "responses", found=len(values))
    if len(values) > MAX_RESPONSES:
        raise RowError("responses_many", "responses", found=len(values), limit=MAX_RESPONSES)
    return tuple(_response(value, f"responses (number {number})", limits) for number, value in enumerate(values, 1))


def _response(value: Any, column: str, limits: Limits) -> Response:
    if not isinstance(value, dict):
        if value is not None and not isinstance(value, str):
            raise RowError("responses_kind", column, kind=kind_of(value))
        return Response(check_text(value, column, limits.response_characters, _TWO_NEEDED))
    text = check_text(value.get("text"), column, limits.response_characters, _TWO_NEEDED)
    model = read_name(value.get("model"), f"{column}, model", limits)
    return Response(text, model, read_metadata(value.get("metadata"), f"{column}, metadata", limits))


def _flat_responses(record: dict[str, Any], limits: Limits, fewest: int) -> tuple[Response, ...]:
    """response_a, response_b …; empty ones at the end are absent, and an empty one between others is a mistake."""
    count = fewest
    for index in range(MAX_RESPONSES - 1, fewest - 1, -1):
        if record.get(RESPONSE_NAMES[index]) is not None:
            count = index + 1
            break
    return tuple(
        Response(
            check_text(record.get(name), name, limits.response_characters, _TWO_NEEDED),
            read_name(record.get(f"model_{name[-1]}"), f"model_{name[-1]}", limits),
        )
        for name in RESPONSE_NAMES[:count]
    )


def _check_different(responses: tuple[Response, ...], record: dict[str, Any]) -> None:
    seen: dict[str, int] = {}
    for index, response in enumerate(responses):
        first = seen.setdefault(" ".join(response.text.split()), index)
        if first == index:
            continue
        if record.get("chosen") is not None:
            raise RowError("responses_same", "rejected", other="chosen")
        if record.get("responses") is not None:
            raise RowError("responses_same", f"responses (number {index + 1})", other=f"number {first + 1}")
        raise RowError("responses_same", RESPONSE_NAMES[index], other=RESPONSE_NAMES[first])


def _tags(value: Any, limits: Limits) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.replace(";", ",").split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise RowError("tags_kind", "tags")
    tags = tuple(dict.fromkeys(tag.strip() for tag in value if tag.strip()))
    if len(tags) > limits.tags:
        raise RowError("tags_many", "tags", found=len(tags), limit=limits.tags)
    for tag in tags:
        check_text(tag, "tags", limits.name_characters)
    return tags
