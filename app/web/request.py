"""The request's database session: a dependency with function scope, so that the commit precedes the reply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session

from app.database import unit_of_work


def _session() -> Iterator[Session]:
    with unit_of_work() as session:
        yield session


DbSession = Annotated[Session, Depends(_session, scope="function")]
