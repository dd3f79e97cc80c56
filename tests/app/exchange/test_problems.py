"""Every kind of bad file gives one sentence that says where, what and what to do."""

from __future__ import annotations

import builtins
import io
import json

import pytest

from app.exchange.problems import SENTENCES, ImportProblem
from app.exchange.reading import Reading, preview
from app.exchange.rows import Limits
from tests.support.import_files import GOOD, csv_file, jsonl, packed, parquet_of, zipped

SMALL = Limits(
    rows=5,
    prompt_characters=200,
    response_characters=100,
    name_characters=20,
    messages=3,
    tags=3,
    votes=3,
    metadata_bytes=100,
    metadata_levels=4,
    line_bytes=2 * 1024 * 1024,
    unpacked_bytes=3 * 1024 * 1024,
)
TWO = ["One answer.", "Another answer."]


def row(**fields):
    return jsonl({**GOOD, **fields})


def vote(**fields):
    return row(votes=[{"annotator": "w1", "choice": "response_a", **fields}])


def locked_zip() -> bytes:
    content = bytearray(zipped(a__jsonl=row()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


# name: (file's name, content, row, column, code, part of the sentence)
CASES = {
    "empty": ("a.jsonl", b"", None, None, "file_empty", "is empty"),
    "empty gz": ("a.jsonl.gz", packed(b""), None, None, "file_empty", "is empty"),
    "empty csv": ("a.csv", b"\n\n", None, None, "file_empty", "is empty"),
    "blank lines": ("a.jsonl", b"\n  \n", None, None, "no_rows", "no rows"),
    "header only": ("a.csv", b"prompt,response_a,response_b\n", None, None, "no_rows", "Add at least one task"),
    "parquet without rows": (
        "a.parquet",
        parquet_of({"prompt": [], "response_a": [], "response_b": []}),
        None,
        None,
        "no_rows",
        "no rows",
    ),
    "unknown format": ("a.docx", b"hello", None, None, "format_unknown", "a.docx is none of JSONL, CSV or Parquet"),
    "spreadsheet": ("a.xlsx", zipped(x=b"1"), None, None, "format_spreadsheet", "CSV (UTF-8)"),
    "broken parquet": ("a.parquet", b"PAR1" + b"x" * 50, None, None, "parquet_damaged", "cannot be read"),
    "utf-16": ("a.csv", "prompt,response_a,response_b\n".encode("utf-16"), None, None, "encoding_utf16", "UTF-8"),
    "bad utf-8 in jsonl": (
        "a.jsonl",
        row() + b'{"prompt": "caf\xe9"}\n',
        2,
        None,
        "bad_utf8",
        f"byte 0xE9 at offset {len(row()) + 15} of the file is not UTF-8",
    ),
    "bad utf-8 in csv": (
        "a.csv",
        b"prompt,response_a,response_b\nx,y,z\nna\xefve,b,c\n",
        3,
        None,
        "bad_utf8",
        "byte 0xEF at offset 37",
    ),
    "cut gz": ("a.jsonl.gz", packed(row() * 1000)[:-40], None, None, "archive_damaged", "cut off"),
    "damaged zip": ("a.zip", zipped(a__jsonl=row())[:-30], None, None, "archive_damaged", "Pack it again"),
    "gz bomb by size": ("a.jsonl.gz", packed(b" \n" * 2_000_000), None, None, "archive_bomb", "more than 3 MiB"),
    "zip bomb by size": ("a.zip", zipped(a__jsonl=b" " * 4_000_000), None, None, "archive_bomb", "Nothing of it was"),
    "gz in gz": ("a.jsonl.gz.gz", packed(packed(row())), None, None, "archive_nested", "archive inside the archive"),
    "zip in zip": ("a.zip", zipped(b__zip=zipped(a__jsonl=row())), None, None, "archive_nested", "once"),
    "gz in zip": ("a.zip", zipped(b__jsonl__gz=packed(row())), None, None, "archive_nested", "once"),
    "several members": (
        "a.zip",
        zipped(a__jsonl=row(), b__csv=b"x"),
        None,
        None,
        "archive_members",
        "holds 2 files (a.jsonl, b.csv)",
    ),
    "no members": ("a.zip", zipped(), None, None, "archive_members", "holds 0 files (none)"),
    "locked zip": ("a.zip", locked_zip(), None, None, "archive_encrypted", "password"),
    "wrong columns": (
        "a.csv",
        csv_file("promt,answer_a,response_b", "x,y,z"),
        None,
        None,
        "columns_missing",
        "found are “promt”, “answer_a”, “response_b”; missing is prompt and response_a. Rename “promt” to prompt.",
    ),
    "wrong columns in jsonl": (
        "a.jsonl",
        jsonl({"question": "x", "answers": ["y", "z"]}),
        None,
        None,
        "columns_missing",
        "missing is prompt and response_a and response_b",
    ),
    "chosen alone": ("a.csv", csv_file("prompt,chosen", "x,y"), None, None, "columns_missing", "missing is rejected"),
    "column twice": (
        "a.csv",
        csv_file("prompt,Prompt,response_a,response_b", "x,y,z,w"),
        None,
        None,
        "columns_twice",
        "“prompt” stands there twice",
    ),
    "key twice": ("a.jsonl", row(Prompt="x"), 1, None, "columns_twice", "“prompt”"),
    "too many rows": ("a.jsonl", row() * 6, None, None, "too_many_rows", "more than 5 rows"),
    "too many rows in parquet": (
        "a.parquet",
        parquet_of({"prompt": ["x"] * 6, "response_a": ["a"] * 6, "response_b": ["b"] * 6}),
        None,
        None,
        "too_many_rows",
        "Split it",
    ),
    "huge line": ("a.jsonl", row() + b'{"prompt": "' + b"x" * 2_200_000, 2, None, "line_too_long", "longer than 2 MiB"),
    "array": ("a.json", json.dumps([GOOD]).encode(), None, None, "json_array", "one object on each line"),
    "broken json": ("a.jsonl", row() + b'{"prompt": \n', 2, None, "json_invalid", "EOF while parsing a value, at byte"),
    "pretty json": ("a.json", b'{\n "prompt": "x"\n}', 1, None, "json_invalid", "complete JSON object on each line"),
    "json text": ("a.jsonl", b'"x"\n', 1, None, "json_not_object", "it is a JSON text"),
    "json list later": ("a.jsonl", row() + b"[1]\n", 2, None, "json_not_object", "a JSON list"),
    "json number": ("a.jsonl", b"1\n", 1, None, "json_not_object", "a JSON number"),
    "deep json": ("a.jsonl", b'{"metadata": ' + b"[" * 100_000 + b"\n", 1, None, "json_nesting", "deeper than 200"),
    "open quote": (
        "a.csv",
        csv_file("prompt,response_a,response_b", "x,y,z", 'p,"open,b'),
        3,
        None,
        "csv_invalid",
        "unexpected end of data",
    ),
    "carriage returns alone": (
        "a.csv",
        b"prompt,response_a,response_b\rp,a,b\r",
        1,
        None,
        "csv_invalid",
        "cannot be split into cells",
    ),
    "text after a quote": (
        "a.csv",
        csv_file("prompt,response_a,response_b", 'p,"a"b,c'),
        2,
        None,
        "csv_invalid",
        "double each quotation mark",
    ),
    "endless cell": (
        "a.csv",
        csv_file("prompt,response_a,response_b", 'p,"' + "x\n" * 1_200_000),
        2,
        None,
        "csv_invalid",
        "does not end within 2 MiB",
    ),
    "too many cells": (
        "a.csv",
        csv_file("prompt,response_a,response_b", "x,y,z", "p,well, yes,no"),
        3,
        None,
        "csv_cells",
        "it has 4 cells, but the first line names 3 columns",
    ),
    "two layouts": ("a.jsonl", row(response_a="x"), 1, None, "layout_mixed", "both responses and response_a"),
    "pair and responses": (
        "a.jsonl",
        row(chosen="x", rejected="y"),
        1,
        None,
        "layout_mixed",
        "both chosen and rejected and responses",
    ),
    "no prompt": ("a.jsonl", row(prompt=None), 1, "prompt", "empty", "Give every task a prompt."),
    "blank prompt": ("a.csv", csv_file("prompt,response_a,response_b", " ,y,z"), 2, "prompt", "empty", "it is empty"),
    "no messages": ("a.jsonl", row(prompt=[]), 1, "prompt", "empty", "Give every task a prompt."),
    "empty response": (
        "a.csv",
        csv_file("prompt,response_a,response_b", "x,y,z", "x,y,"),
        3,
        "response_b",
        "empty",
        "Row 3, column response_b: it is empty. Give every task at least two responses.",
    ),
    "empty response between": (
        "a.csv",
        csv_file("prompt,response_a,response_b,response_c", "x,y,,w"),
        2,
        "response_b",
        "empty",
        "it is empty",
    ),
    "empty listed response": (
        "a.jsonl",
        row(responses=["x", " \n"]),
        1,
        "responses (number 2)",
        "empty",
        "at least two responses",
    ),
    "no text": ("a.jsonl", row(responses=["x", {"model": "m"}]), 1, "responses (number 2)", "empty", "it is empty"),
    "empty message": (
        "a.jsonl",
        row(prompt=[{"role": "user", "content": ""}]),
        1,
        "prompt (message 1)",
        "empty",
        "Give every message a content.",
    ),
    "empty rejected": ("a.jsonl", jsonl({"chosen": "x", "rejected": ""}), 1, "rejected", "empty", "Give both"),
    "number as model": ("a.jsonl", row(responses=[{"text": "x", "model": 4}, "y"]), 1, "responses (number 1), model",
                        "not_text", "it is a number and should be text"),
    "number as text": ("a.jsonl", jsonl({"prompt": "x", "response_a": 1, "response_b": "y"}), 1, "response_a",
                       "not_text", "should be text"),
    "long response": (
        "a.jsonl",
        row(responses=["x" * 101, "y"]),
        1,
        "responses (number 1)",
        "too_long",
        "it has 101 characters, and at most 100 are allowed",
    ),
    "long prompt": ("a.jsonl", row(prompt="x" * 201), 1, "prompt", "too_long", "it has 201 characters"),
    "long messages": (
        "a.jsonl",
        row(prompt=[{"role": "system", "content": "x" * 150}, {"role": "user", "content": "x" * 150}]),
        1,
        "prompt",
        "too_long",
        "it has 300 characters",
    ),
    "long domain": ("a.jsonl", row(domain="x" * 21), 1, "domain", "too_long", "at most 20"),
    "nul in response": ("a.jsonl", row(responses=["x\0", "y"]), 1, "responses (number 1)", "nul", "NUL character"),
    "nul in csv": ("a.csv", b"prompt,response_a,response_b\nx,y\0,z\n", 2, "response_a", "nul", "Remove it"),
    "nul in metadata": ("a.jsonl", row(metadata={"a": ["\0"]}), 1, "metadata", "nul", "NUL"),
    "nul in a key": ("a.jsonl", row(metadata={"\0": 1}), 1, "metadata", "nul", "NUL"),
    "responses not json": (
        "a.csv",
        csv_file("prompt;responses", "x;[oops"),
        2,
        "responses",
        "cell_json",
        "it should be JSON, and is not: expected value",
    ),
    "votes not json": (
        "a.csv",
        csv_file("prompt;response_a;response_b;votes", "x;y;z;[{]"),
        2,
        "votes",
        "cell_json",
        "should be JSON",
    ),
    "metadata not json": ("a.jsonl", row(metadata="{oops"), 1, "metadata", "cell_json", "should be JSON"),
    "list as id": ("a.jsonl", row(task_id=[1]), 1, "task_id", "task_id_kind", "it is a list"),
    "id true": ("a.jsonl", row(task_id=True), 1, "task_id", "task_id_kind", "it is true or false"),
    "id twice": (
        "a.jsonl",
        row(task_id="t1") + row(task_id="t2") + row(task_id="t1"),
        3,
        "task_id",
        "task_id_twice",
        "the task_id “t1” stands already in row 1",
    ),
    "number as prompt": ("a.jsonl", row(prompt=5), 1, "prompt", "prompt_kind", "it is a number"),
    "text among messages": ("a.jsonl", row(prompt=["hi"]), 1, "prompt (message 1)", "message_kind", "not a message"),
    "unknown role": (
        "a.jsonl",
        row(prompt=[{"role": "wizard", "content": "x"}]),
        1,
        "prompt (message 1)",
        "message_role",
        "role “wizard” is unknown",
    ),
    "ends with assistant": (
        "a.jsonl",
        row(prompt=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]),
        1,
        "prompt",
        "message_last",
        "the last message is the assistant's",
    ),
    "too many messages": (
        "a.jsonl",
        row(prompt=[{"role": "user", "content": "x"}] * 4),
        1,
        "prompt",
        "messages_too_many",
        "it has 4 messages",
    ),
    "responses a text": ("a.jsonl", row(responses="x"), 1, "responses", "responses_kind", "it is a text"),
    "response a list": ("a.jsonl", row(responses=["x", []]), 1, "responses (number 2)", "responses_kind", "a list"),
    "one response": ("a.jsonl", row(responses=["x"]), 1, "responses", "responses_few", "there are 1 responses"),
    "ten responses": ("a.jsonl", row(responses=list("abcdefghij")), 1, "responses", "responses_many", "at most 9"),
    "same responses": (
        "a.csv",
        csv_file("prompt,response_a,response_b", 'x,an  answer,"an\nanswer "'),
        2,
        "response_b",
        "responses_same",
        "it says the same as response_a",
    ),
    "same listed": ("a.jsonl", row(responses=["x", "y", "x "]), 1, "responses (number 3)", "responses_same", "as num"),
    "same pair": (
        "a.jsonl",
        jsonl({"prompt": "p", "chosen": "x", "rejected": "x"}),
        1,
        "rejected",
        "responses_same",
        "the same as chosen",
    ),
    "no shared prompt": (
        "a.jsonl",
        jsonl({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: d"}),
        1,
        "rejected",
        "pair_prompt",
        "share no prompt",
    ),
    "no answer at the end": (
        "a.jsonl",
        jsonl({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a"}),
        1,
        "rejected",
        "pair_prompt",
        "share no prompt",
    ),
    "pair without prompt": (
        "a.jsonl",
        jsonl({"chosen": "x", "rejected": "y"}),
        1,
        "chosen",
        "pair_no_prompt",
        "Add a column prompt.",
    ),
    "tags a number": ("a.jsonl", row(tags=3), 1, "tags", "tags_kind", "a list of texts"),
    "too many tags": ("a.jsonl", row(tags="a,b;c,d"), 1, "tags", "tags_many", "there are 4 tags"),
    "documents a number": (
        "a.jsonl",
        row(metadata={"documents": ["one", 2]}),
        1,
        "metadata, documents",
        "documents_kind",
        "a list of texts",
    ),
    "documents a text": (
        "a.jsonl",
        row(metadata={"documents": "one"}),
        1,
        "metadata, documents",
        "documents_kind",
        "a list of texts",
    ),
    "metadata a list": ("a.jsonl", row(metadata=[1]), 1, "metadata", "metadata_kind", "it is a list"),
    "nan": ("a.jsonl", row(metadata={"a": {"b": float("nan")}}), 1, "metadata", "metadata_number", "NaN"),
    "infinity by size": (
        "a.csv",
        csv_file("prompt;response_a;response_b;metadata", 'x;y;z;"{""a"": [1, 1e400]}"'),
        2,
        "metadata",
        "metadata_number",
        "at “a[1]”",
    ),
    "bytes in metadata": (
        "a.parquet",
        parquet_of({"prompt": ["x"], "response_a": ["a"], "response_b": ["b"], "metadata": [{"k": b"\x00"}]}),
        1,
        "metadata",
        "metadata_value",
        "type bytes at “k”",
    ),
    "deep metadata": ("a.jsonl", row(metadata={"a": [[[[1]]]]}), 1, "metadata", "metadata_nesting", "than 4 levels"),
    "long metadata": ("a.jsonl", row(metadata={"a": "ä" * 60}), 1, "metadata", "metadata_long", "takes 129 bytes"),
    "gold a list": ("a.jsonl", row(gold=["response_a"]), 1, "gold", "gold_kind", "it is a list"),
    "gold without choice": ("a.jsonl", row(gold={"explanation": "x"}), 1, "gold", "gold_kind", "without choice"),
    "gold unknown": (
        "a.jsonl",
        row(gold="first"),
        1,
        "gold",
        "choice_unknown",
        "“first” is unknown. Use one of response_a, response_b, tie, both_bad.",
    ),
    "gold missing": (
        "a.jsonl",
        row(gold="response_c"),
        1,
        "gold",
        "choice_missing",
        "“response_c” names a response that this row does not have. It has response_a, response_b.",
    ),
    "vote unknown": ("a.jsonl", vote(choice="neither"), 1, "votes (number 1), choice", "choice_unknown", "“neither”"),
    "vote for a place in a pair row": (
        "a.jsonl",
        jsonl({"prompt": "p", "chosen": "x", "rejected": "y", "gold": "response_a"}),
        1,
        "gold",
        "choice_missing",
        "It has chosen, rejected.",
    ),
    "vote outside": (
        "a.jsonl",
        row(
            responses=["x", "y", "z"],
            votes=[{"annotator": "w", "choice": "response_a", "pair": ["response_b", "response_c"]}],
        ),
        1,
        "votes (number 1), choice",
        "choice_outside",
        "not in the pair response_b and response_c",
    ),
    "vote without pair": (
        "a.jsonl",
        row(responses=["x", "y", "z"], votes=[{"annotator": "w", "choice": "tie"}]),
        1,
        "votes (number 1)",
        "pair_needed",
        "there are 3 responses",
    ),
    "pair of one": ("a.jsonl", vote(pair=["a", "a"]), 1, "votes (number 1), pair", "pair_kind", "two different"),
    "votes an object": ("a.jsonl", row(votes={"w": 1}), 1, "votes", "votes_kind", "it is an object"),
    "vote a text": ("a.jsonl", row(votes=["a"]), 1, "votes (number 1)", "vote_kind", "it is a text"),
    "too many votes": ("a.jsonl", row(votes=[{}] * 4), 1, "votes", "votes_many", "there are 4 votes"),
    "no annotator": ("a.jsonl", row(votes=[{"choice": "a"}]), 1, "votes (number 1)", "vote_annotator", "no annotator"),
    "blank annotator": ("a.jsonl", vote(annotator=" "), 1, "votes (number 1)", "vote_annotator", "Say who"),
    "votes twice": (
        "a.jsonl",
        row(votes=[{"annotator": 7, "choice": "a"}, {"annotator": "7", "choice": "b"}]),
        1,
        "votes (number 2)",
        "vote_twice",
        "the annotator “7” has voted",
    ),
    "strength 5": ("a.jsonl", vote(strength=5), 1, "votes (number 1), strength", "vote_strength", "“5”"),
    "strength true": ("a.jsonl", vote(strength=True), 1, "votes (number 1), strength", "vote_strength", "“True”"),
    "strength of a tie": (
        "a.jsonl",
        vote(choice="tie", strength=1),
        1,
        "votes (number 1), strength",
        "vote_strength",
        "left out for a tie",
    ),
    "bad time": (
        "a.jsonl",
        vote(submitted_at="yesterday"),
        1,
        "votes (number 1), submitted_at",
        "vote_time",
        "“yesterday” cannot be read",
    ),
    "bad day": ("a.jsonl", vote(submitted_at="2026-02-30"), 1, "votes (number 1), submitted_at", "vote_time", "Write"),
    "early time": ("a.jsonl", vote(submitted_at="0001-01-01T00:00:00+14:00"), 1, "votes (number 1), submitted_at",
                   "vote_time", "between 1970 and 2100"),
    "time a number": ("a.jsonl", vote(submitted_at=1), 1, "votes (number 1), submitted_at", "vote_time", "“1”"),
    "seconds below zero": ("a.jsonl", vote(seconds=-1), 1, "votes (number 1), seconds", "vote_seconds", "“-1”"),
    "seconds nan": (
        "a.jsonl",
        vote(seconds=float("nan")),
        1,
        "votes (number 1), seconds",
        "vote_seconds",
        "from 0 to",
    ),
}  # fmt: skip


def items(content: bytes, name: str, limits: Limits = SMALL):
    return list(Reading(io.BytesIO(content), name, limits=limits))


def problems(content: bytes, name: str, limits: Limits = SMALL) -> list[ImportProblem]:
    return [item for item in items(content, name, limits) if isinstance(item, ImportProblem)]


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_with_its_row_column_and_a_sentence(case):
    name, content, row_number, column, code, part = CASES[case]

    found = problems(content, name)

    assert [(problem.row, problem.column, problem.code) for problem in found] == [(row_number, column, code)]
    (problem,) = found
    assert part in problem.message
    assert problem.message.endswith(".")
    assert "%" not in problem.message
    assert problem.message.isprintable()
    assert len(problem.message) < 500
    assert (f"Row {row_number}" in problem.message) is (row_number is not None)


def test_every_kind_of_problem_is_tried():
    elsewhere = {"parquet_missing", "surrogate"}
    against_the_project = {
        "task_id_other_text", "votes_apart", "vote_changed", "choice_not_allowed", "strength_over_scale",
    }  # fmt: skip
    against_the_schema = {  # tests/app/exchange/test_kinds.py
        "gold_needs_pairs", "responses_not_asked", "schema_changed", "vote_needs_ranking", "vote_ranking",
        "vote_ranks_pairs", "votes_contradict", "votes_not_asked",
    }  # fmt: skip

    assert {case[4] for case in CASES.values()} | elsewhere | against_the_project | against_the_schema == set(SENTENCES)


def test_without_pyarrow_a_parquet_file_is_answered_with_the_name_of_the_package(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **named)

    content = parquet_of({"prompt": ["x"]})
    monkeypatch.setattr(builtins, "__import__", without)

    (problem,) = problems(content, "a.parquet")
    assert problem.code == "parquet_missing"
    assert "[parquet]" in problem.message


def test_half_a_surrogate_pair_is_refused():
    from app.exchange.parsing import parse_record
    from app.exchange.problems import RowError
    from app.exchange.rows import ReadOptions

    with pytest.raises(RowError) as refused:
        parse_record(1, {"prompt": "\ud800", "responses": TWO}, SMALL, ReadOptions())
    assert "surrogate" in refused.value.at(1).message


def test_a_response_of_200_000_characters_is_over_the_limit_that_holds_by_default():
    (problem,) = problems(row(responses=["x" * 200_000, "y"]), "a.jsonl", Limits())

    assert problem.message.startswith(
        "Row 1, column responses (number 1): it has 200000 characters, and at most 100000 are allowed."
    )


def test_good_rows_and_problems_come_in_the_order_of_the_file():
    content = row() + b"{\n" + row(prompt="Other?") + row(responses=["x"])

    assert [getattr(item, "code", "row") for item in items(content, "a.jsonl")] == [
        "row",
        "json_invalid",
        "row",
        "responses_few",
    ]


def test_reading_stops_after_a_hundred_problems_and_says_so():
    content = jsonl({"prompt": "x", "responses": ["a", "b"]}) + row(responses=["x"]) * 150

    seen = preview(io.BytesIO(content), "a.jsonl")

    assert len(seen.problems) == 100
    assert seen.is_cut_short
    assert seen.problems[-1].row == 101


def test_all_problems_told_means_not_cut_short():
    seen = preview(io.BytesIO(row() + row(responses=["x"])), "a.jsonl")

    assert (len(seen.problems), seen.is_cut_short) == (1, False)
