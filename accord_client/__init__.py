"""A small typed client of Accord's JSON API: `Client("https://accord.example", token)`."""

from accord_client.client import Client
from accord_client.errors import AccordError, ConnectionLost, JobFailed
from accord_client.models import (
    Agreement,
    AnnotatorPair,
    Desk,
    Job,
    Judgement,
    Lease,
    Me,
    Message,
    Project,
    ProjectRole,
    Response,
    Serving,
    Task,
    TaskDetail,
    TaskPage,
    VersionAgreement,
    Vote,
    Votes,
)

__all__ = [
    "AccordError",
    "Agreement",
    "AnnotatorPair",
    "Client",
    "ConnectionLost",
    "Desk",
    "Job",
    "JobFailed",
    "Judgement",
    "Lease",
    "Me",
    "Message",
    "Project",
    "ProjectRole",
    "Response",
    "Serving",
    "Task",
    "TaskDetail",
    "TaskPage",
    "VersionAgreement",
    "Vote",
    "Votes",
]
