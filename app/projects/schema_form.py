"""An answer schema as forms send it: flat fields, an absent box is not ticked, rows without a name are left out."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from app.projects.definitions import MAX_CRITERIA, AnswerSchema, Asked, Likert, Pairwise, Ranking

ROWS = MAX_CRITERIA


class OverallForm(BaseModel):
    """The overall choice and bare prompts: what a new project is asked for."""

    overall: Literal["pairwise", "ranking", "none"] = "pairwise"
    allows_tie: bool = False
    allows_both_bad: bool = False
    strength_steps: int = Field(3, ge=1, le=4)
    demonstration: bool = False

    @model_validator(mode="after")
    def _makes_a_schema(self) -> OverallForm:
        """The schema's own rules, as a sentence about the whole form."""
        try:
            self.answer_schema()
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(str(problem.get("ctx", {}).get("error", problem["msg"]))) from None
        return self

    def answer_schema(self) -> AnswerSchema:
        return AnswerSchema.model_validate(self.document())

    def document(self) -> dict[str, Any]:
        overall: dict[str, Any] = {"kind": self.overall}
        if self.overall != "none":
            overall["allows_tie"] = self.allows_tie
        if self.overall == "pairwise":
            overall |= {"allows_both_bad": self.allows_both_bad, "strength_steps": self.strength_steps}
        return {"overall": overall, "demonstration": self.demonstration}

    @classmethod
    def values_of(cls, schema: AnswerSchema) -> dict[str, Any]:
        """The fields as a form shows them; where something is not asked, what a fresh project would start from."""
        pairwise = schema.pairwise or Pairwise()
        allows_tie = schema.overall.allows_tie if isinstance(schema.overall, Pairwise | Ranking) else True
        return {
            "overall": schema.overall.kind,
            "allows_tie": allows_tie,
            "allows_both_bad": pairwise.allows_both_bad,
            "strength_steps": pairwise.strength_steps,
            "demonstration": schema.demonstration,
        }


class CriterionForm(BaseModel):
    """One row of the criteria; without a key it gets one made of its name."""

    name: str = Field(min_length=1, max_length=120)
    key: str = Field("", max_length=40, pattern=r"^([a-z][a-z0-9_]*)?$")
    kind: Literal["likert", "preference"] = "likert"
    points: int = Field(5, ge=2, le=7)
    low: str = Field("", max_length=60)
    high: str = Field("", max_length=60)
    is_required: bool = False

    def document(self) -> dict[str, Any]:
        shared: dict[str, Any] = {"kind": self.kind, "key": self.key or key_of(self.name), "name": self.name}
        shared["is_required"] = self.is_required
        return shared | ({"points": self.points, "low": self.low, "high": self.high} if self.kind == "likert" else {})


class SchemaForm(OverallForm):
    """The whole schema."""

    criteria: list[CriterionForm] = []
    rationale: Asked = Asked.OFF
    tags: str = Field("", max_length=4000)
    tags_per: Literal["task", "response"] = "response"
    edit: Asked = Asked.OFF

    def document(self) -> dict[str, Any]:
        names = [line.strip() for line in self.tags.splitlines() if line.strip()]
        return super().document() | {
            "criteria": [criterion.document() for criterion in self.criteria],
            "rationale": self.rationale,
            "tags": {"names": names, "per": self.tags_per},
            "edit": self.edit,
        }

    @classmethod
    def values_of(cls, schema: AnswerSchema) -> dict[str, Any]:
        return super().values_of(schema) | {
            "criteria": [_row(criterion) for criterion in schema.criteria],
            "rationale": schema.rationale.value,
            "tags": "\n".join(schema.tags.names),
            "tags_per": schema.tags.per,
            "edit": schema.edit.value,
        }


def _row(criterion: Any) -> dict[str, Any]:
    scale = criterion if isinstance(criterion, Likert) else Likert(key="none", name="none")
    shared = {name: getattr(criterion, name) for name in ("name", "key", "kind", "is_required")}
    return shared | {name: getattr(scale, name) for name in ("points", "low", "high")}


def collect(fields: dict[str, Any]) -> dict[str, Any]:
    """The posted fields with their criteria as a list: criterion.0.name, criterion.0.kind … become one row each."""
    rows: dict[int, dict[str, Any]] = {}
    for name, value in fields.items():
        match name.split("."):
            case ["criterion", number, part] if number.isdecimal() and int(number) < ROWS:
                rows.setdefault(int(number), {})[part] = value.strip() if isinstance(value, str) else value
    named = [rows[number] for number in sorted(rows) if rows[number].get("name")]
    return {name: value for name, value in fields.items() if "." not in name} | {"criteria": named}


def key_of(name: str) -> str:
    """A key made of a name: "Wie hilfreich?" is wie_hilfreich; a name without Latin letters gives `criterion`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return re.sub(r"^[^a-z]+", "", words)[:40].strip("_") or "criterion"
