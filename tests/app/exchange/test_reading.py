"""Good files: each layout and format gives the rows that were meant."""

from __future__ import annotations

import hashlib
import io
import json
import os
import string
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.exchange.converters import CONVERTERS, write_jsonl
from app.exchange.problems import UnreadableFileError
from app.exchange.reading import Reading, preview, read
from app.exchange.rows import (
    RESPONSE_NAMES,
    Gold,
    ImportRow,
    Message,
    ReadOptions,
    Response,
    Vote,
    row_hash,
    row_key,
)
from tests.support.import_files import GOOD, as_csv, as_jsonl, as_parquet, csv_file, jsonl, packed, parquet_of


def rows_of(content: bytes, name: str = "a.jsonl", **options) -> list[ImportRow]:
    return list(read(io.BytesIO(content), name, options=ReadOptions(**options)))


def only(content: bytes, name: str = "a.jsonl", **options) -> ImportRow:
    (row,) = rows_of(content, name, **options)
    return row


def test_a_full_row_of_jsonl():
    row = only(
        jsonl(
            {
                "task_id": 17,
                "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "responses": ["Hello.", {"text": "Hey!", "model": "m2", "metadata": {"temperature": 0.7}}],
                "domain": " chat ",
                "language": "en",
                "tags": "short; greeting, short",
                "metadata": {"source": {"page": 3}},
                "gold": {"choice": "B", "explanation": "Warmer."},
                "votes": [
                    {
                        "annotator": 9,
                        "choice": "response_a",
                        "strength": 2,
                        "submitted_at": "2026-05-31T16:05:00+02:00",
                        "seconds": 12,
                        "rationale": "Clear.",
                    },
                    {"annotator": "w2", "choice": "Both bad", "strength": 0, "submitted_at": "2026-05-31 14:05:00"},
                ],
            }
        )
    )

    at = datetime(2026, 5, 31, 14, 5, tzinfo=UTC)
    assert row == ImportRow(
        row=1,
        task_id="17",
        prompt=(Message("system", "Be brief."), Message("user", "Hi")),
        responses=(Response("Hello."), Response("Hey!", "m2", {"temperature": 0.7})),
        domain="chat",
        language="en",
        tags=("short", "greeting"),
        metadata={"source": {"page": 3}},
        gold=Gold("response_b", "Warmer."),
        votes=(
            Vote("9", "response_a", (0, 1), strength=2, submitted_at=at, seconds=12.0, rationale="Clear."),
            Vote("w2", "both_bad", (0, 1), submitted_at=at),
        ),
    )


def test_flat_responses_with_models():
    row = only(jsonl({"prompt": "p", "response_a": "x", "response_b": "y", "response_c": "z", "model_b": "m"}))

    assert row.responses == (Response("x"), Response("y", "m"), Response("z"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_csv_with_each_separator_and_byte_order_mark(delimiter, start):
    cells = [["Task ID", "prompt", "response_a", "Response-B", "gold"], ["007", "a, b; c", "x", "y", "tie"]]
    content = start + "\r\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in cells)

    row = only(content.encode(), "a.csv")

    assert (row.task_id, row.prompt, row.gold) == ("007", "a, b; c", Gold("tie"))


def test_csv_cells_keep_line_breaks_and_quotation_marks():
    row = only(csv_file("prompt,response_a,response_b", '"one\n\ntwo ""quoted""",x,y'), "a.csv")

    assert row.prompt == 'one\n\ntwo "quoted"'


def test_csv_rows_are_numbered_as_a_spreadsheet_shows_them():
    content = csv_file("prompt,response_a,response_b", '"one\ntwo",x,y', ",,", "p,x,y")

    assert [row.row for row in rows_of(content, "a.csv")] == [2, 4]


def test_csv_rows_may_have_different_numbers_of_responses():
    content = csv_file("prompt,response_a,response_b,response_c", "p,x,y,z", "q,x,y,", "r,x,y")

    assert [len(row.responses) for row in rows_of(content, "a.csv")] == [3, 2, 2]


def test_csv_takes_lists_and_objects_as_json():
    votes = json.dumps([{"annotator": "w", "choice": "b"}]).replace('"', '""')
    content = csv_file(
        "prompt;responses;votes;tags;metadata",
        f'"[{{""role"": ""user"", ""content"": ""Hi""}}]";"[""x"", ""y""]";"{votes}";"[""a;b""]";"{{""k"": 1}}"',
    )

    row = only(content, "a.csv")

    assert row.prompt == (Message("user", "Hi"),)
    assert [vote.choice for vote in row.votes] == ["response_b"]
    assert (row.tags, row.metadata) == (("a;b",), {"k": 1})


@pytest.mark.parametrize("text", ["[INST] Hi [/INST]", "[1, 2, 3]", "[]", '[{"a": 1}]', '["role", "content"]'])
def test_a_csv_prompt_that_only_begins_like_a_list_stays_text(text):
    quoted = text.replace('"', '""')

    assert only(csv_file("prompt,response_a,response_b", f'"{quoted}",x,y'), "a.csv").prompt == text


def test_long_cells_are_read_whole():
    assert len(only(csv_file("prompt,response_a,response_b", f"{'p' * 99_999},x,y"), "a.csv").prompt) == 99_999


def test_parquet_with_its_own_lists_structures_and_times():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = only(
        parquet_of(
            {
                "Task ID": [5],
                "prompt": [[{"role": "user", "content": "Hi"}]],
                "responses": [[{"text": "x", "model": None}, {"text": "y", "model": "m"}]],
                "metadata": [{"at": at, "n": 2, "none": None}],
                "votes": [[{"annotator": "w", "choice": "tie", "submitted_at": at, "strength": None}]],
                "score": [0.5],
            }
        ),
        "a.parquet",
    )

    assert row.task_id == "5"
    assert row.responses == (Response("x"), Response("y", "m"))
    assert row.metadata == {"at": "2026-01-02T03:04:05+00:00", "n": 2, "none": None}
    assert row.votes == (Vote("w", "tie", submitted_at=at),)


def test_more_than_two_responses_are_voted_on_in_pairs():
    votes = [
        {"annotator": "w", "choice": "c", "pair": ["response_c", "response_a"], "strength": 3},
        {"annotator": "w", "choice": "tie", "pair": ["a", "b"]},
    ]
    row = only(jsonl({"prompt": "p", "responses": ["x", "y", "z"], "votes": votes}))

    assert row.votes == (Vote("w", "response_c", (0, 2), strength=3), Vote("w", "tie", (0, 1)))


CHAT = [{"role": "user", "content": "Hi"}]


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


HH_START = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: And?\n\nAssistant:"
HH_PROMPT = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "And?"))


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"prompt": "Hi", "chosen": "good", "rejected": "bad"}, "Hi"),
        ({"prompt": "Hi", "chosen": [answer("good")], "rejected": [answer("bad")]}, "Hi"),
        ({"prompt": CHAT, "chosen": [answer("good")], "rejected": [answer("bad")]}, (Message("user", "Hi"),)),
        (
            {"prompt": "Hi", "chosen": [*CHAT, answer("good")], "rejected": [*CHAT, answer("bad")]},
            (Message("user", "Hi"),),
        ),
        ({"chosen": [*CHAT, answer("good")], "rejected": [*CHAT, answer("bad")]}, (Message("user", "Hi"),)),
        ({"chosen": f"{HH_START} good", "rejected": f"{HH_START} bad"}, HH_PROMPT),
    ],
    ids=["texts", "answers", "messages", "repeated prompt", "implicit prompt", "hh transcript"],
)
def test_chosen_and_rejected_become_a_prompt_two_responses_and_one_vote(record, prompt):
    row = only(jsonl(record | {"model_chosen": "m1", "gold": "chosen"}))

    assert row.prompt == prompt
    assert {(response.text, response.model) for response in row.responses} == {("good", "m1"), ("bad", None)}
    place = RESPONSE_NAMES[[response.text for response in row.responses].index("good")]
    assert row.votes == (Vote("imported", place),)
    assert row.gold == Gold(place)


def test_the_place_of_a_response_does_not_tell_that_it_was_chosen():
    records = [{"prompt": "p", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(200)]

    chosen_first = sum(row.votes[0].choice == "response_a" for row in rows_of(jsonl(*records)))

    assert 60 < chosen_first < 140


def test_exchanging_chosen_and_rejected_gives_the_same_task_and_the_other_vote():
    one = only(jsonl({"prompt": "p", "chosen": "x", "rejected": "y"}))
    other = only(jsonl({"prompt": "p", "chosen": "y", "rejected": "x"}))

    assert row_hash(one) == row_hash(other)
    assert one.votes[0].choice != other.votes[0].choice


def test_the_vote_for_chosen_can_be_named_or_left_out():
    content = jsonl({"prompt": "p", "chosen": "x", "rejected": "y", "votes": [{"annotator": "w", "choice": "tie"}]})

    assert [vote.annotator for vote in only(content, chosen_annotator="team").votes] == ["team", "w"]
    assert [vote.annotator for vote in only(content, chosen_votes=False).votes] == ["w"]


def test_the_same_texts_are_let_through_on_request():
    assert len(only(jsonl({**GOOD, "responses": ["x", "x "]}), keep_same=True).responses) == 2


def test_the_hash_is_of_prompt_texts_and_models_in_order_and_of_nothing_else():
    plain = {"prompt": "p", "responses": ["x", "y"]}
    same = [
        {**plain, "task_id": "t", "tags": "a", "domain": "d", "gold": "tie", "metadata": {"k": 1}},
        {"prompt": [{"role": "user", "content": "p"}], "response_a": "x", "response_b": "y"},
    ]
    different = [
        {**plain, "prompt": "q"},
        {**plain, "responses": ["y", "x"]},
        {**plain, "responses": [{"text": "x", "model": "m"}, "y"]},
        {**plain, "responses": ["x", "y", "z"]},
        {**plain, "prompt": [{"role": "system", "content": "p"}, {"role": "user", "content": "p"}]},
    ]
    first = row_hash(only(jsonl(plain)))

    canonical = '{"prompt":[["user","p"]],"responses":[["x",null],["y",null]]}'
    assert first == hashlib.sha256(canonical.encode()).hexdigest()
    assert {row_hash(only(jsonl(record))) for record in same} == {first}
    assert len({first, *(row_hash(only(jsonl(record))) for record in different)}) == 6


def test_a_row_is_known_again_by_its_id_or_else_by_its_content():
    assert row_key(only(jsonl({**GOOD, "task_id": "t"}))) == "id:t"
    assert row_key(only(jsonl(GOOD))) == f"sha256:{row_hash(only(jsonl(GOOD)))}"


def test_a_preview_counts_what_an_import_would_do():
    voted = [{"annotator": "w1", "choice": "a"}, {"annotator": "w2", "choice": "b"}]
    content = jsonl(
        {**GOOD, "domain": "sky", "language": "en", "votes": voted, "gold": "a"},
        {**GOOD, "prompt": "Other?", "responses": ["x", "y", "z"], "domain": "sky"},
        {**GOOD, "prompt": "Third?", "votes": voted[:1], "language": "de"},
        {**GOOD, "prompt": "Fourth?", "langauge": "fr", "score": 3},
        GOOD,
        {**GOOD, "responses": ["x"]},
    )

    seen = preview(io.BytesIO(content), "a.jsonl")

    assert (seen.n_rows, seen.n_votes, seen.n_annotators, seen.n_gold, seen.n_repeated) == (5, 3, 2, 1, 1)
    assert (seen.responses, seen.domains, seen.languages) == ({2: 4, 3: 1}, {"sky": 2}, {"en": 1, "de": 1})
    assert [row.row for row in seen.samples] == [1, 2, 3]
    assert [problem.row for problem in seen.problems] == [6]
    assert seen.unused == {"langauge": "language", "score": None}


def test_a_file_that_must_be_right_ends_at_its_first_problem():
    rows = read(io.BytesIO(jsonl(GOOD, {**GOOD, "responses": []}, GOOD)), "a.jsonl")

    assert next(rows).row == 1
    with pytest.raises(UnreadableFileError) as stopped:
        next(rows)
    assert stopped.value.problem.row == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_progress_grows_to_one(name):
    records = [{**GOOD, "task_id": i, "prompt": os.urandom(2_000).hex()} for i in range(1_000)]
    content = jsonl(*records)
    if name.endswith(".gz"):
        content = packed(content)
    elif name.endswith(".parquet"):
        content = parquet_of({column: [record[column] for record in records] for column in records[0]})
    reading = Reading(io.BytesIO(content), name)

    steps = [reading.progress for _ in reading]

    assert steps == sorted(steps)
    assert 0 < steps[0] < 0.5
    assert reading.progress == 1.0


def test_closing_early_leaves_nothing_open():
    reading = Reading(io.BytesIO(packed(jsonl(GOOD) * 100)), "a.jsonl.gz")
    next(reading)
    reading.close()

    assert list(reading) == []


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=40).filter(
    lambda text: not text.isspace()
)
prompts = texts.filter(lambda text: not text.lstrip().startswith("["))
names = st.text(string.ascii_letters + string.digits + "äß- ", min_size=1, max_size=12).map(str.strip).filter(bool)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
metadata = st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=3)
times = st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def votes_on(draw, count: int) -> tuple[Vote, ...]:
    votes = {}
    for annotator in draw(st.lists(names, max_size=3, unique=True)):
        pair = tuple(sorted(draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))))
        choice = draw(st.sampled_from([RESPONSE_NAMES[pair[0]], RESPONSE_NAMES[pair[1]], "tie", "both_bad"]))
        strength = draw(st.none() | st.integers(1, 3)) if choice in RESPONSE_NAMES else None
        seconds = draw(st.none() | st.floats(0, 1e6))
        votes[annotator] = Vote(
            annotator,
            choice,
            pair,
            strength=strength,
            submitted_at=draw(st.none() | times),
            seconds=seconds,
            rationale=draw(st.none() | texts),
        )
    return tuple(votes.values())


@st.composite
def import_rows(draw) -> ImportRow:
    answers = draw(st.lists(texts, min_size=2, max_size=5, unique_by=lambda text: " ".join(text.split())))
    history = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), max_size=3)
    return ImportRow(
        row=0,
        task_id=draw(st.none() | names),
        prompt=draw(prompts | history.map(lambda before: (*before, Message("user", "Well?")))),
        responses=tuple(Response(text, draw(st.none() | names), draw(metadata)) for text in answers),
        domain=draw(st.none() | names),
        language=draw(st.none() | names),
        tags=tuple(draw(st.lists(names, max_size=3, unique=True))),
        metadata=draw(metadata),
        gold=draw(
            st.none() | st.builds(Gold, st.sampled_from([*RESPONSE_NAMES[: len(answers)], "tie"]), st.none() | texts)
        ),
        votes=draw(votes_on(len(answers))),
    )


WRITERS = {"jsonl": as_jsonl, "csv": as_csv, "parquet": as_parquet}


@pytest.mark.parametrize("kind", WRITERS)
@given(written=st.lists(import_rows(), min_size=1, max_size=4, unique_by=lambda row: row.task_id or object()))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again_in_every_format(kind, written):
    content = WRITERS[kind](written)

    back = rows_of(content, f"a.{kind}")

    first = 2 if kind == "csv" else 1
    assert [row.row for row in back] == list(range(first, first + len(back)))
    assert [bare(row) for row in back] == [bare(row) for row in written]
    assert [row_hash(row) for row in back] == [row_hash(row) for row in written]


def bare(row: ImportRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in ImportRow.__slots__ if name != "row"}


@given(
    st.binary(max_size=400) | st.text(st.sampled_from('{}[]":,\n;\t"prompt response_a'), max_size=200).map(str.encode)
)
@example(b"\r\0")
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_rows_or_sentences_and_never_an_error(content):
    for name in ("a.jsonl", "a.csv", "a.parquet", "a.gz", "a.zip", "a"):
        for problem in preview(io.BytesIO(content), name).problems:
            assert problem.message


@pytest.mark.real_data
def test_ukp_convarg1_is_read_with_every_pair_and_vote(tmp_path, real_data):
    skipped = []
    path = tmp_path / "ukp.jsonl.gz"

    assert write_jsonl(CONVERTERS["ukp_convarg1"](real_data / "ukp_convarg1", skipped), path) == 12_577
    assert skipped == []

    strict = preview(path, path.name)
    assert {problem.code for problem in strict.problems} == {"responses_same"}
    assert len(strict.problems) == 14

    seen = preview(path, path.name, options=ReadOptions(keep_same=True))
    assert (seen.n_rows, seen.n_votes, seen.n_annotators) == (12_577, 62_742, 3_777)
    assert (seen.problems, seen.n_gold, seen.n_repeated) == ([], 0, 0)
    vote = seen.samples[0].votes[0]
    assert (vote.annotator, vote.choice, vote.submitted_at, vote.seconds) == (
        "w0213",
        "response_b",
        datetime(2016, 1, 31, 16, 59, 52, tzinfo=UTC),
        131.0,
    )


@pytest.mark.real_data
def test_hh_is_read_and_what_is_left_out_is_told(tmp_path, real_data):
    skipped = []
    path = tmp_path / "hh.jsonl"

    assert write_jsonl(CONVERTERS["hh"](real_data / "hh_harmless_test", skipped), path) == 2_303
    assert [(problem.code, problem.row) for problem in skipped] == [
        ("empty", 87),
        ("empty", 517),
        ("empty", 926),
        ("empty", 1104),
        *(("pair_prompt", row) for row in (1255, 1689, 1951, 1953, 2037)),
    ]

    seen = preview(path, path.name)
    assert (seen.n_rows, seen.n_votes, seen.n_annotators, seen.problems) == (2_303, 2_303, 1, [])
