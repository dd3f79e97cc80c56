"""A small typed client of Accord's JSON API: `Client("https://accord.example", token)`."""

from accord_client.client import Client
from accord_client.errors import AccordError, ConnectionLost, JobFailed
from accord_client.models import (
    Dataset,
    DatasetDetail,
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
    Vote,
    Votes,
)

__all__ = [
    "AccordError",
    "Client",
    "ConnectionLost",
    "Dataset",
    "DatasetDetail",
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
    "Vote",
    "Votes",
]
