"""All tables, one file an area: columns and constraints only; no relationships, since every SELECT is in queries."""

from app.models.account import (
    Annotator,
    AnnotatorKind,
    ApiToken,
    Consent,
    ConsentVersion,
    IdempotencyKey,
    LinkKind,
    Membership,
    Message,
    OneTimeLink,
    Role,
    SignInSession,
    Throttle,
    User,
)
from app.models.annotation import Annotation, Assignment, AssignmentState, Choice, OverlapReason, Preference, Standing
from app.models.audit import AuditEvent
from app.models.dataset import DatasetVersion, DatasetVote
from app.models.guideline import GuidelineQuestion, GuidelineReading
from app.models.job import Job, JobState
from app.models.project import GuidelineVersion, PolicyVersion, Project, ProjectStatus, SchemaVersion
from app.models.task import GoldAnswer, ImportBatch, Prompt, Response, Task, TaskKind, TaskResponse, TaskStatus
from app.models.training import Checkpoint, DeviceSlot, TrainingLog, TrainingMetric, TrainingRun

__all__ = [
    "Annotation",
    "Annotator",
    "AnnotatorKind",
    "ApiToken",
    "Assignment",
    "AssignmentState",
    "AuditEvent",
    "Checkpoint",
    "Choice",
    "Consent",
    "ConsentVersion",
    "DatasetVersion",
    "DatasetVote",
    "DeviceSlot",
    "GoldAnswer",
    "GuidelineQuestion",
    "GuidelineReading",
    "GuidelineVersion",
    "IdempotencyKey",
    "ImportBatch",
    "Job",
    "JobState",
    "LinkKind",
    "Membership",
    "Message",
    "OneTimeLink",
    "OverlapReason",
    "PolicyVersion",
    "Preference",
    "Project",
    "ProjectStatus",
    "Prompt",
    "Response",
    "Role",
    "SchemaVersion",
    "SignInSession",
    "Standing",
    "Task",
    "TaskKind",
    "TaskResponse",
    "TaskStatus",
    "Throttle",
    "TrainingLog",
    "TrainingMetric",
    "TrainingRun",
    "User",
]
