"""The description of the format says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from app.exchange.archives import FORMATS
from app.exchange.reading import preview
from app.exchange.rows import COLUMNS, Limits

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "import-format.md").read_text()


def test_every_column_and_ending_is_described():
    ranged = {f"{kind}_{letter}" for kind in ("response", "model") for letter in "bcdefgh"} | {"model_i"}

    assert [name for name in COLUMNS if name not in ranged and f"`{name}`" not in TEXT] == []
    assert [ending for ending in FORMATS if f" {ending} " not in TEXT] == []


def test_every_limit_is_told():
    limits = Limits()

    for number in (
        limits.rows, limits.prompt_characters, limits.response_characters, limits.rationale_characters,
        limits.name_characters, limits.messages, limits.tags, limits.votes, limits.metadata_bytes,
        limits.metadata_levels, limits.unpacked_ratio, limits.problems,
    ):  # fmt: skip
        assert re.search(rf"\b{number:,}\b", TEXT), number


def test_the_examples_can_be_imported(tmp_path):
    path = tmp_path / "examples.jsonl"
    path.write_text(TEXT.split("```json\n")[1].split("```")[0])

    seen = preview(path, path.name)

    assert (seen.n_rows, seen.problems) == (3, [])
