"""The agreement page, and its votes as a file."""

from __future__ import annotations

import csv
import io
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.database import end_of_writing
from app.models import Role
from app.projects.access import ProjectReviewer
from app.projects.navigation import studio_nav
from app.quality import labels, service
from app.quality.reading import CLUSTER, COLUMNS
from app.quality.schemas import AgreementQuery
from app.web.forms import parse_form
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/projects/{project_id}/agreement")
def show_agreement(request: Request, session: DbSession, access: ProjectReviewer) -> Response:
    """A filter that cannot be read is no filter: the page says so by showing everything."""
    asked = {name: value for name, value in request.query_params.items() if value}
    wanted = parse_form(AgreementQuery, asked)[0] or AgreementQuery()
    votes = service.read_votes(session, access.project.id)
    nav = studio_nav(access, "quality")
    end_of_writing(session)
    found = service.report(votes, wanted)
    query = urlencode(wanted.model_dump(mode="json", exclude_none=True))
    summary = found.summary
    context = {
        "nav": nav,
        "project": access.project,
        "is_admin": access.may(Role.ADMIN),
        "report": found,
        "summary": summary,
        "headline": summary.estimates["alpha_sym"],
        "coefficients": labels.coefficients(summary),
        "labels": labels,
        "wanted": wanted,
        "csv_url": f"/projects/{access.project.id}/agreement/votes.csv" + (f"?{query}" if query else ""),
    }
    return render(request, "quality/agreement.html", context)


@router.get("/projects/{project_id}/agreement/votes.csv")
def download_votes(session: DbSession, access: ProjectReviewer, wanted: Annotated[AgreementQuery, Query()]) -> Response:
    """The votes that the page counted, for `python -m app agreement FILE` and other tools.

    Numbers, our own pseudonyms and fixed words only: nothing that a spreadsheet could take for a formula.
    """
    votes = service.read_votes(session, access.project.id).wanted(wanted)
    service.record_export(
        session, project_id=access.project.id, actor_id=access.viewer.id, wanted=wanted, votes=len(votes)
    )
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow([*COLUMNS, CLUSTER])
    writer.writerows(service.as_file_rows(votes))
    return Response(
        sheet.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="votes-{access.project.id}.csv"'},
    )
