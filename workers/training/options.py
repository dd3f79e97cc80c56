"""The command line of an algorithm, made from its config dataclass: a field is an option, its sentence the help."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

Config = TypeVar("Config")


def sentences(config: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass: Python keeps it in the source only."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(below.value.value)
    return found


def parse(config: type[Config], arguments: list[str] | None, *, program: str, about: str) -> Config:
    """The config that the arguments describe; argparse ends the program with a sentence where they do not fit."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    hints, helps = typing.get_type_hints(config), sentences(config)
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        _add(parser, field, hints[field.name], helps[field.name])
    return config(**vars(parser.parse_args(arguments)))


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], hint: Any, said: str) -> None:
    name = "--" + field.name.replace("_", "-")
    is_needed = field.default is dataclasses.MISSING
    said = said.replace("%", "%%")
    if hint is bool:
        parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=said)
        return
    choices = None
    if typing.get_origin(hint) is typing.Literal:
        choices, hint = typing.get_args(hint), str
    elif isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    parser.add_argument(
        name,
        type=hint,
        choices=choices,
        required=is_needed,
        default=None if is_needed else field.default,
        metavar=None if choices else {Path: "PATH", int: "N", float: "X"}.get(hint, "TEXT"),
        help=said if is_needed or field.default is None else f"{said} Default: {field.default}.",
    )
