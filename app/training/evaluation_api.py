"""JSON routes of evaluations: start on a data set or a file, list, read. Their jobs are followed under /jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import ValidationError

from app.errors import Invalid
from app.projects.access import require_writable
from app.training import evaluation_queries, evaluations
from app.training.access import RunAdmin, RunReader
from app.training.evaluation_schemas import EvaluationOptions, EvaluationOut
from app.web.request import DbSession

router = APIRouter(tags=["evaluations"])


@router.post("/projects/{project_id}/training/{number}/evaluations", status_code=202)
def start_evaluation(session: DbSession, access: RunAdmin, options: EvaluationOptions) -> EvaluationOut:
    """Measure the run's model on the held-out rows of a data set version; follow the job of that id."""
    require_writable(access.place)
    return evaluations.shown(evaluations.start(session, run=access.run, actor_id=access.viewer.id, options=options))


@router.post(
    "/projects/{project_id}/training/{number}/evaluations/file",
    status_code=202,
    max_body_size=evaluations.UPLOAD_BYTES,
)
def start_evaluation_on_file(
    session: DbSession,
    access: RunAdmin,
    file: Annotated[UploadFile, File(description="JSON lines of pairs, of sets of responses, or of prompts.")],
    options: Annotated[str, Form(description="The options of the other route as a JSON object.")] = "{}",
) -> EvaluationOut:
    """Measure the run's model on the rows of a file."""
    require_writable(access.place)
    try:
        wanted = EvaluationOptions.model_validate_json(options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = ".".join(map(str, first["loc"])) or "options"
        raise Invalid("%(name)s: %(problem)s", field="options", name=said, problem=first["msg"]) from error
    upload = evaluations.Upload(file.file, file.filename or "")
    return evaluations.shown(
        evaluations.start(session, run=access.run, actor_id=access.viewer.id, options=wanted, upload=upload)
    )


@router.get("/projects/{project_id}/training/{number}/evaluations")
def list_evaluations(session: DbSession, access: RunReader) -> list[EvaluationOut]:
    """The newest twenty evaluations of the run, newest first."""
    return [evaluations.shown(job) for job in evaluation_queries.evaluations(session, access.run)]


@router.get("/projects/{project_id}/training/{number}/evaluations/{job_id}")
def read_evaluation(session: DbSession, access: RunReader, job_id: int) -> EvaluationOut:
    """An evaluation with its result, once it has ended well."""
    return evaluations.shown(evaluations.find(session, access.run, job_id))
