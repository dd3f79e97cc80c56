"""The slices' routers, pages and API, in one list each; a route that is not here does not exist."""

from __future__ import annotations

from fastapi import APIRouter


def page_routers() -> list[APIRouter]:
    return []


def api_routers() -> list[APIRouter]:
    return []
