"""JSON routes of the quality slice."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.database import end_of_writing
from app.projects.access import ProjectReviewer
from app.quality import service
from app.quality.schemas import AgreementQuery, ProjectAgreement
from app.quality.summary import as_json
from app.web.request import DbSession

router = APIRouter(tags=["quality"])


@router.get("/projects/{project_id}/agreement")
def show_agreement(
    session: DbSession, access: ProjectReviewer, wanted: Annotated[AgreementQuery, Query()]
) -> ProjectAgreement:
    """How far annotators agree, over base, imported and calibration votes; the keys are those of the command."""
    votes = service.read_votes(session, access.project.id)
    end_of_writing(session)
    found = service.report(votes, wanted)
    versions = [{"version": each.number, **as_json(each.summary)} for each in found.by_version]
    return ProjectAgreement.model_validate(
        {"version": wanted.version, "kind": wanted.kind, "versions": versions, **as_json(found.summary)}
    )
