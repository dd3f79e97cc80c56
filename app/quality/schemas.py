"""What the agreement page and its API may be asked, and what the API answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from app.models import AnnotatorKind


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class AgreementQuery(BaseModel):
    """Which votes; all of them where nothing is given. A form sends an empty field for what was not chosen."""

    version: Annotated[str | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        pattern=r"^(none|[1-9][0-9]{0,8})$",
        description="Number of the guideline version that the votes were given under, or none for votes without any.",
    )
    kind: Annotated[AnnotatorKind | None, BeforeValidator(_none_if_empty)] = Field(
        None, description="Only votes of people, of imported, of simulated annotators, or of models."
    )


class Interval(BaseModel):
    """95% bootstrap interval over prompts; `n` items with two votes or more; `reason` says why something is missing."""

    low: float | None
    high: float | None
    n: int
    reason: str | None


class PairOut(Interval):
    """Cohen's kappa of two annotators, by pseudonym, over the items that both have judged."""

    first: str
    second: str
    n_items: int
    kappa: float | None


class AgreementOut(BaseModel):
    """The coefficients of a set of votes, as `python -m app agreement FILE --json` prints them."""

    n_items: int
    n_votes: int
    n_overlapping: int
    n_clusters: int
    labels: dict[str, int]
    raw: float | None
    alpha_sym: float | None
    alpha_nominal: float | None
    alpha_ordinal: float | None
    ac1: float | None
    fleiss: float | None
    intervals: dict[str, Interval]
    cohen: list[PairOut]


class VersionOut(AgreementOut):
    """Agreement of the votes under one guideline version; `version` is null for votes without any."""

    version: int | None


class ProjectAgreement(AgreementOut):
    """A project's agreement, overall or of the votes asked for, and by guideline version."""

    version: str | None
    kind: AnnotatorKind | None
    versions: list[VersionOut]
