"""Single values of a record: texts that can be stored, names, metadata."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.exchange.problems import RowError, kind_of, shorten
from app.exchange.records import json_bytes, parse_object
from app.exchange.rows import Limits


def check_text(value: Any, column: str, limit: int, hint: str = "") -> str:
    """The text as it is. Raises RowError where it is none, is blank, too long, or cannot be stored."""
    if not isinstance(value, str):
        if value is None:
            raise RowError("empty", column, hint=hint)
        raise RowError("not_text", column, kind=kind_of(value))
    if not value or value.isspace():
        raise RowError("empty", column, hint=hint)
    if len(value) > limit:
        raise RowError("too_long", column, length=len(value), limit=limit)
    check_storable(value, column)
    return value


def check_storable(value: str, column: str) -> None:
    if "\0" in value:
        raise RowError("nul", column)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RowError("surrogate", column) from None


def read_name(value: Any, column: str, limits: Limits) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return check_text(value, column, limits.name_characters).strip()


def read_metadata(value: Any, column: str, limits: Limits) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, str):
        if not value.strip():
            return {}
        try:
            value = parse_object(value)
        except ValueError as fault:
            raise RowError("cell_json", column, detail=str(fault)) from None
    if not isinstance(value, dict):
        raise RowError("metadata_kind", column, kind=kind_of(value))
    if not value:
        return {}
    clean = _storable(value, column, "", 0, limits)
    length = json_bytes(clean)
    if length > limits.metadata_bytes:
        raise RowError("metadata_long", column, length=length, limit=limits.metadata_bytes)
    return clean  # type: ignore[no-any-return]


def check_documents(metadata: dict[str, Any], column: str) -> None:
    """`documents` stand beside the responses: what cannot be shown is said now, since nobody would miss it later."""
    documents = metadata.get("documents", [])
    if not isinstance(documents, list) or not all(_is_document(each) for each in documents):
        raise RowError("documents_kind", f"{column}, documents")


def _is_document(value: Any) -> bool:
    return isinstance(value.get("text") if isinstance(value, dict) else value, str)


def _storable(value: Any, column: str, path: str, depth: int, limits: Limits) -> Any:
    """The value as jsonb can keep it. `path` is where it stands, for the sentence."""
    if isinstance(value, str):
        check_storable(value, column)
        return value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        if not math.isfinite(number):
            raise RowError("metadata_number", column, path=shorten(path))
        return number
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth == limits.metadata_levels:
        raise RowError("metadata_nesting", column, limit=limits.metadata_levels)
    if isinstance(value, list | tuple):
        return [_storable(item, column, f"{path}[{index}]", depth + 1, limits) for index, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            check_storable(str(key), column)
        return {
            str(key): _storable(item, column, f"{path}.{key}" if path else str(key), depth + 1, limits)
            for key, item in value.items()
        }
    raise RowError("metadata_value", column, kind=kind_of(value), path=shorten(path))
