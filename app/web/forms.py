"""Forms: posted fields become a schema, or a sentence for each field that cannot be used."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ValidationError

from app.web.i18n import gettext as _
from app.web.security import posted_fields

FormFields = Annotated[dict[str, Any], Depends(posted_fields)]
Schema = TypeVar("Schema", bound=BaseModel)


class Errors(dict[str, str]):
    """Sentences by field name; a field without one gives an empty text, so that templates may ask for any."""

    def __missing__(self, name: str) -> str:
        return ""


def storable(text: str) -> str:
    """One kind of line end; refuses the one character that Postgres cannot keep in a text."""
    if "\x00" in text:
        raise ValueError("The text holds a character (NUL) that cannot be stored. Remove it and send again.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


StorableText = Annotated[str, AfterValidator(storable)]


def parse_form(schema: type[Schema], fields: dict[str, Any]) -> tuple[Schema | None, dict[str, str]]:
    """(the parsed schema, no errors) or (None, a translated sentence by field name)."""
    known = {name: value for name, value in fields.items() if name in schema.model_fields}
    try:
        return schema.model_validate(known), {}
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        return None, {str(problem["loc"][0]) if problem["loc"] else "": _sentence(problem) for problem in problems}


def _sentence(problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "string_too_short":
        return _("Please fill this in.") if context["min_length"] == 1 else _("This is too short.")
    sentences = {
        "missing": _("Please fill this in."),
        "string_too_long": _("Please use at most %(max_length)s characters."),
        "greater_than_equal": _("Please give a number from %(ge)s upwards."),
        "greater_than": _("Please give a number above %(gt)s."),
        "less_than_equal": _("Please give a number up to %(le)s."),
        "less_than": _("Please give a number below %(lt)s."),
        "int_parsing": _("Please give a whole number."),
        "int_from_float": _("Please give a whole number."),
        "float_parsing": _("Please give a number."),
        "finite_number": _("Please give a number."),
        "enum": _("Please choose one of the list."),
        "literal_error": _("Please choose one of the list."),
        "date_from_datetime_parsing": _("Please give a date as year-month-day."),
        "date_parsing": _("Please give a date as year-month-day."),
    }
    if kind in sentences:
        return str(sentences[kind] % context)
    if kind == "value_error":
        return _(str(context["error"]))
    return str(problem["msg"])
