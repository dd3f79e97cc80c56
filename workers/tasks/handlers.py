"""Which service does which kind of job. Every member of app.queue.Job stands here; a test holds the two together."""

from __future__ import annotations

from app.queue import Handler, Job

HANDLERS: dict[Job, Handler] = {}
