"""The slices' routers, pages and API, in one list each; a route that is not here does not exist."""

from __future__ import annotations

from fastapi import APIRouter

from app.accounts import api as accounts_api
from app.accounts import pages as accounts_pages
from app.accounts import people_api as accounts_people_api
from app.annotation import api as annotation_api
from app.annotation import pages as annotation_pages
from app.annotation import schema_pages
from app.dashboard import api as dashboard_api
from app.dashboard import audit_pages, jobs, jobs_api, sample_pages
from app.dashboard import pages as dashboard_pages
from app.datasets import api as datasets_api
from app.datasets import pages as datasets_pages
from app.exchange import api as exchange_api
from app.exchange import pages as exchange_pages
from app.projects import api as projects_api
from app.projects import guideline_api, guideline_pages, people_api, people_pages, question_api, question_pages
from app.projects import pages as projects_pages
from app.quality import api as quality_api
from app.quality import pages as quality_pages
from app.review import api as review_api
from app.review import pages as review_pages
from app.training import api as training_api
from app.training import evaluation_api, evaluation_pages
from app.training import pages as training_pages


def page_routers() -> list[APIRouter]:
    # Fixed addresses (/projects/new) stand before those with an id in the same place.
    return [
        accounts_pages.router,
        projects_pages.router,
        guideline_pages.router,
        question_pages.router,
        people_pages.router,
        dashboard_pages.router,
        annotation_pages.router,
        schema_pages.router,
        audit_pages.router,
        sample_pages.router,
        exchange_pages.router,
        jobs.router,
        review_pages.router,
        training_pages.router,
        evaluation_pages.router,
        datasets_pages.router,
        quality_pages.router,
    ]


def api_routers() -> list[APIRouter]:
    return [
        accounts_api.router,
        accounts_people_api.router,
        dashboard_api.router,
        sample_pages.api_router,
        projects_api.router,
        question_api.router,
        guideline_api.router,
        people_api.router,
        annotation_api.router,
        exchange_api.router,
        jobs_api.router,
        review_api.router,
        training_api.router,
        evaluation_api.router,
        datasets_api.router,
        quality_api.router,
    ]
