"""What can be wrong with an imported file: one code, one sentence, once.

A sentence says what is wrong and what to do. `%(name)s` parameters stay out of the text, so that it can be translated;
where it is wrong (row and column) is put in front by `ImportProblem.message`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SENTENCES: Mapping[str, str] = MappingProxyType({
    # The file
    "file_empty": "The file is empty. Nothing was imported; choose a file with at least one row.",
    "no_rows": "The file names its columns but holds no rows. Add at least one task below the first line.",
    "format_unknown": "The file %(name)s is none of JSONL, CSV or Parquet. Save it as one of these "
    "(a .gz or a .zip of one file is fine) and give it the matching ending.",
    "format_spreadsheet": "This is a spreadsheet program's own file. Save it there as CSV (UTF-8) and import that.",
    "parquet_missing": "Parquet files need the package pyarrow, which is not installed here. "
    "Install accord with the extra [parquet], or save the file as JSONL or CSV.",
    "parquet_damaged": "The Parquet file cannot be read: %(detail)s. Write it again.",
    "encoding_utf16": "The file is encoded as UTF-16. Save it as UTF-8 (in Excel: CSV UTF-8).",
    "bad_utf8": "The byte %(byte)s at offset %(offset)d of the file is not UTF-8. "
    "Save the file as UTF-8 (in Excel: CSV UTF-8) and try again.",
    "archive_damaged": "The compressed file is damaged or was cut off (%(detail)s). Pack it again and upload it whole.",
    "archive_bomb": "The file unpacks to more than %(limit)s, or to more than %(ratio)d times its size. "
    "Nothing of it was kept. Import it unpacked, or in parts.",
    "archive_nested": "There is an archive inside the archive. Pack the JSONL, CSV or Parquet file itself, once.",
    "archive_members": "The zip holds %(count)d files (%(names)s), and one is needed. Pack exactly one data file.",
    "archive_encrypted": "The zip asks for a password. Pack the file without one.",
    "columns_missing": "The columns found are %(found)s; missing is %(needed)s. %(hint)s",
    "columns_twice": "The column %(name)s stands there twice. Give every column its own name.",
    "too_many_rows": "The file has more than %(limit)d rows. Split it into smaller files.",
    # The row
    "line_too_long": "The line is longer than %(limit)s without an end. Put one JSON object on each line.",
    "json_array": "The file is one JSON array. Put one object on each line instead (JSONL), without outer brackets.",
    "json_invalid": "It is not valid JSON: %(detail)s. Put one complete JSON object on each line.",
    "json_not_object": 'It is a JSON %(kind)s and should be an object, like {"prompt": …, "responses": […]}.',
    "json_nesting": "It is nested deeper than %(limit)d levels. Flatten it.",
    "csv_invalid": "The line cannot be split into cells: %(detail)s. "
    'Put cells with quotation marks or line breaks in "…", and double each quotation mark inside.',
    "csv_cells": "It has %(found)d cells, but the first line names %(expected)d columns. "
    "Put cells that hold the separator %(delimiter)s in quotation marks.",
    "layout_mixed": "It has both %(one)s and %(other)s. Give the responses in one way only.",
    # Any value
    "empty": "It is empty. %(hint)s",
    "not_text": "It is %(kind)s and should be text.",
    "too_long": "It has %(length)d characters, and at most %(limit)d are allowed. Shorten it or leave the row out.",
    "nul": "It contains a NUL character (U+0000), which cannot be stored. Remove it.",
    "surrogate": "It contains half of a surrogate pair, which is no character. Write the file again as UTF-8.",
    "cell_json": "It should be JSON, and is not: %(detail)s.",
    # The task
    "task_id_kind": "It is %(kind)s. A task_id is text or a whole number.",
    "task_id_twice": "The task_id %(task_id)s stands already in row %(first)d. Give every task its own.",
    "prompt_kind": "It is %(kind)s. A prompt is text, or a list of messages with role and content.",
    "message_kind": "It is not a message. A message is an object with the texts role and content.",
    "message_role": "The role %(role)s is unknown. Use system, user, assistant or tool.",
    "message_last": "The last message is the %(role)s's, and it must be the user's or a tool's: "
    "the responses answer it.",
    "messages_too_many": "It has %(found)d messages, and at most %(limit)d are allowed.",
    "responses_kind": "It is %(kind)s. Responses are a list of texts, or of objects with text and model.",
    "responses_few": "There are %(found)d responses. Give every task at least two.",
    "responses_many": "There are %(found)d responses, and at most %(limit)d are allowed.",
    "responses_same": "It says the same as %(other)s (spaces aside), so there is nothing to compare. "
    "Change one, or leave the row out.",
    "pair_prompt": "The conversations of chosen and rejected part before the last answer, so they share no prompt. "
    "Leave the row out, or give the prompt and the two answers in columns of their own.",
    "pair_no_prompt": "There is no prompt, and chosen is neither a list of messages nor a transcript with "
    '"Human:" and "Assistant:" turns. Add a column prompt.',
    "tags_kind": "Tags are a list of texts, or one text with commas or semicolons between them.",
    "tags_many": "There are %(found)d tags, and at most %(limit)d are allowed.",
    "documents_kind": "Documents in the metadata are a list of texts, or of objects with title and text.",
    "metadata_kind": "It is %(kind)s. Metadata is a JSON object.",
    "metadata_number": "It holds NaN or an infinite number at %(path)s, which JSON cannot keep. Use null or a text.",
    "metadata_value": "It holds %(kind)s at %(path)s, which JSON cannot keep. Use a text or a number.",
    "metadata_nesting": "It is nested deeper than %(limit)d levels. Flatten it.",
    "metadata_long": "It takes %(length)d bytes, and at most %(limit)d are allowed. Keep only what is needed.",
    # Gold and votes
    "gold_kind": "It is %(kind)s. Gold is a choice like response_a, or an object with choice and explanation.",
    "choice_unknown": "The choice %(choice)s is unknown. Use one of %(known)s.",
    "choice_missing": "The choice %(choice)s names a response that this row does not have. It has %(known)s.",
    "choice_outside": "The choice %(choice)s is not in the pair %(pair)s.",
    "pair_needed": "There are %(found)d responses, so the vote must say which two it compared: "
    '"pair": ["response_a", "response_b"].',
    "pair_kind": 'A pair names two different responses of this row, like ["response_a", "response_b"].',
    "votes_contradict": "The choices of two contradict each other, so they make no ranking. "
    "The row is kept without a vote.",
    "votes_kind": "It is %(kind)s. Votes are a list of objects with annotator and choice.",
    "vote_kind": "It is %(kind)s. A vote is an object with annotator and choice.",
    "votes_many": "There are %(found)d votes, and at most %(limit)d are allowed.",
    "vote_annotator": "It has no annotator. Say who gave each vote, by any name or number that stays the same.",
    "vote_twice": "The annotator %(annotator)s has voted on the same two responses already. Keep one of the votes.",
    "vote_strength": "The strength is %(value)s. It is 1, 2, 3 or 4, and left out for a tie or both bad.",
    "vote_ranking": "A ranking names each response of this row once, the best first; those that share a place stand "
    'in a list of their own: ["response_b", ["response_a", "response_c"]].',
    "vote_time": "The time %(value)s cannot be read. Write it like 2026-05-31T14:05:00Z, between 1970 and 2100.",
    "vote_seconds": "The seconds are %(value)s. They are a number from 0 to %(limit)d.",
    # The row against the project
    "task_id_other_text": "The task_id %(task_id)s is already there with another text. Use a new id for a new text.",
    "votes_apart": "An earlier row has the same prompt and responses. Put the votes of both into one row.",
    "vote_changed": "The annotator %(annotator)s has already voted otherwise on these responses. "
    "An import never changes a vote; leave this one out.",
    "responses_not_asked": "It has responses, and this project asks for answers to bare prompts only. Leave them out, "
    "or add an overall choice or a criterion to the project's schema.",
    "gold_needs_pairs": "A known answer is a choice of two, which this project does not ask for. Leave it out.",
    "vote_ranks_pairs": "The vote is a ranking, and this project asks for the better of two responses. Give votes on "
    "pairs, or make a project that ranks.",
    "vote_needs_ranking": "The vote is about two responses, and this project ranks all of a task. Give a ranking.",
    "votes_not_asked": "This project asks for no overall choice, so votes cannot be brought to it. Leave them out.",
    "schema_changed": "The project asked for something else when these responses were imported, so the vote has no "
    "task. Leave the votes out.",
    "choice_not_allowed": "The choice %(choice)s is not offered in this project. Allow it in the project's settings.",
    "strength_over_scale": "The annotator %(annotator)s gives the strength %(found)s, and this project's scale ends at "
    "%(limit)d. Change the vote, or the project's settings.",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One thing wrong. `row` is the number that an editor or spreadsheet shows; None means the whole file."""

    row: int | None
    column: str | None
    code: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is wrong, without where."""
        return (SENTENCES[self.code] % self.parameters).strip()

    @property
    def message(self) -> str:
        """Where and what: "Row 17, column response_b: it is empty. Give every task at least two responses."."""
        where = [f"row {self.row}"] if self.row is not None else []
        where += [f"column {self.column}"] if self.column is not None else []
        if not where:
            return self.sentence
        place = ", ".join(where)
        said = self.sentence
        if said.startswith(("It ", "The ", "There ", "Tags ", "A ")):
            said = said[0].lower() + said[1:]
        return f"{place[0].upper()}{place[1:]}: {said}"


class RowError(Exception):
    """A problem found inside a row, before its number is known."""

    def __init__(self, code: str, column: str | None = None, **parameters: Any) -> None:
        super().__init__(code)
        self.code = code
        self.column = column
        self.parameters = parameters

    def at(self, row: int | None) -> ImportProblem:
        return ImportProblem(row, self.column, self.code, self.parameters)


class UnreadableFileError(Exception):
    """The file cannot be read on from here; `problem` says why."""

    def __init__(self, problem: ImportProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def stop(code: str, *, row: int | None = None, column: str | None = None, **parameters: Any) -> UnreadableFileError:
    """The error that ends the reading, to be raised by the caller."""
    return UnreadableFileError(ImportProblem(row, column, code, parameters))


def shorten(value: object, limit: int = 60) -> str:
    """A value for a sentence: one line, quoted, not endless."""
    text = " ".join(str(value)[: 4 * limit].split())
    return f"“{text[:limit]}…”" if len(text) > limit else f"“{text}”"


def kind_of(value: object) -> str:
    """What a person calls this value's type."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", tuple: "a list", dict: "an object"}
    return names.get(type(value), f"a value of type {type(value).__name__}")
