"""What a schema version and a policy version say; kept as jsonb, hashed over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SKIP_REASONS = ("unclear", "not_my_field", "harmful", "broken", "other")


class AnswerSchema(BaseModel):
    """What may be answered in a project. `strength_steps` is S: 1 a bare choice, 2 five steps, 3 seven steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allows_tie: bool = Field(True, description="Whether the two may be called equally good.")
    allows_both_bad: bool = Field(True, description="Whether both may be called bad.")
    strength_steps: int = Field(3, ge=1, le=4, description="Steps from a slight to a strong preference.")
    asks_rationale: bool = Field(True, description="Whether a field for reasons is shown.")
    requires_rationale: bool = Field(False, description="Whether the reasons must be given.")

    @model_validator(mode="after")
    def _required_is_asked(self) -> Self:
        if self.requires_rationale and not self.asks_rationale:
            raise ValueError("Reasons cannot be required without a field to give them in.")
        return self


class Policy(BaseModel):
    """How work is handed out and counted in a project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap: int = Field(3, ge=1, le=50, description="Counted judgements that each task asks for.")
    lease_minutes: int = Field(30, ge=1, le=1440, description="How long a task stays on a silent annotator's desk.")
    gold_rate: float = Field(0.04, ge=0, le=0.5, description="Share of tasks served that have a known answer.")
    edit_hours: int = Field(24, ge=0, le=720, description="How long an annotator may edit an own judgement.")


def content_hash(definition: dict[str, Any]) -> str:
    """SHA-256 over canonical JSON (sorted keys, no spaces), in hex."""
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
