"""Packed files: the same rows come out, and what unpacks to too much is stopped on the way."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from app.exchange.reading import preview, read
from app.exchange.rows import Limits
from tests.support.import_files import GOOD, jsonl, packed, parquet_of, zipped


def told(content: bytes, name: str) -> list[str]:
    return [problem.code for problem in preview(io.BytesIO(content), name).problems]


PARQUET = parquet_of({"prompt": ["p"], "response_a": ["a"], "response_b": ["b"]})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", jsonl(GOOD)),
        ("a.json", jsonl(GOOD)),
        ("a.ndjson", jsonl(GOOD)),
        ("A.JSONL", jsonl(GOOD)),
        ("upload", jsonl(GOOD)),
        ("a.jsonl", b"\xef\xbb\xbf" + jsonl(GOOD)),
        ("a.jsonl", jsonl(GOOD).rstrip()),
        ("a.jsonl.gz", packed(jsonl(GOOD))),
        ("a.jsonl", packed(jsonl(GOOD))),
        ("a.zip", zipped(a__jsonl=jsonl(GOOD))),
        ("a.zip", zipped(**{"x/a__jsonl": jsonl(GOOD), "__MACOSX/x/._a.jsonl": b"x", "x/": b"", ".DS_Store": b"x"})),
        ("a.zip", zipped(a__csv=b"prompt,response_a,response_b\np,a,b\n")),
        ("a.parquet", PARQUET),
        ("upload", PARQUET),
        ("a.parquet.gz", packed(PARQUET)),
        ("a.zip", zipped(a__parquet=PARQUET)),
    ],
)
def test_a_file_is_read_packed_or_not_by_its_bytes_and_its_name(name, content):
    assert len(list(read(io.BytesIO(content), name))) == 1


def test_a_path_is_read_as_well(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(GOOD, GOOD))

    assert preview(path, path.name).n_rows == 2


class Pipe(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", jsonl(GOOD)), ("a.parquet", PARQUET)])
def test_a_stream_that_cannot_go_back_is_read_as_well(name, content):
    assert preview(Pipe(content), name).n_rows == 1


def test_a_large_file_takes_little_memory():
    line = jsonl({**GOOD, "responses": ["x" * 50_000, "y" * 50_000], "metadata": {"salt": "s"}})
    content = gzip.compress(line * 30, 1) * 20
    tracemalloc.start()
    try:
        seen = preview(io.BytesIO(content), "a.jsonl.gz", limits=Limits(unpacked_ratio=2_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (seen.n_rows, seen.problems) == (600, [])
    assert peak < 10 * 1024**2 < len(line) * 600


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_is_stopped_by_its_ratio_long_before_its_end(kind):
    line = jsonl({**GOOD, "responses": ["x" * 60_000, "y" * 60_000]})
    if kind == "gz":
        bomb = gzip.compress(line * 20, 9) * 100
    else:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.jsonl", "w") as member:
            for _ in range(100):
                member.write(line * 20)
        bomb = target.getvalue()
    found = preview(io.BytesIO(bomb), f"a.jsonl.{kind}", limits=Limits(rows=10**9))

    assert [problem.code for problem in found.problems] == ["archive_bomb"]
    assert found.n_rows < 2_000 / 10


def test_a_zip_that_lies_about_its_size_is_damaged_not_believed():
    content = bytearray(zipped(a__jsonl=jsonl(GOOD) * 1000))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (100).to_bytes(4, "little")

    assert "archive_damaged" in told(bytes(content), "a.zip")


@pytest.mark.parametrize(
    ("name", "content"), [("a.zip", zipped(a__jsonl=jsonl(GOOD) * 5)), ("a.jsonl.gz", packed(jsonl(GOOD) * 5))]
)
def test_an_archive_with_any_byte_changed_gives_rows_or_sentences_and_never_an_error(name, content):
    for position in range(len(content)):
        for value in {0, 1, 12, 14, 255} - {content[position]}:
            changed = bytes((*content[:position], value, *content[position + 1 :]))
            for problem in preview(io.BytesIO(changed), name).problems:
                assert problem.message


def test_a_parquet_file_that_declares_too_much_is_not_read():
    content = parquet_of({"prompt": ["x" * 30_000_000], "response_a": ["a"], "response_b": ["b"]}, "gzip")

    assert told(content, "a.parquet") == ["archive_bomb"]
