"""Settings: every knob of the environment with a sentence. A project's own policy is data, not a setting."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, computed_field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigurationError

DEVELOPMENT_SECRET = "development-only-secret-never-use-it-elsewhere"  # noqa: S105 - refused outside development


class Settings(BaseSettings):
    """What differs between a laptop and a cluster; read once from the environment, names as in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="ACCORD_", extra="ignore", populate_by_name=True)

    environment: Literal["development", "production", "test"] = Field(
        "development", description="production refuses default secrets and plain-HTTP session cookies on public hosts."
    )
    database_url: str = Field(
        "", alias="DATABASE_URL", description="PostgreSQL 15 or newer; empty makes `up` start an embedded server."
    )
    redis_url: str = Field(
        "", alias="REDIS_URL", description="Celery's broker; empty makes `up` start an embedded Valkey."
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        alias="PUBLIC_URL",
        description="The address people type; every link in mail and invitations is made from it, never from Host.",
    )
    secret_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET),
        description="Signs CSRF tokens; at least 32 characters, the same on every web process.",
    )
    data_dir: Path = Field(Path("data"), description="Folder for uploads, artifacts, logs and the embedded servers.")
    artifact_url: str = Field(
        "", description="fsspec URL for uploads and artifacts; empty means artifacts/ in the data folder."
    )

    database_pool_size: int = Field(10, ge=1, le=200, description="Database connections a web process holds at most.")
    request_queue_seconds: float = Field(
        30.0, gt=0, description="How long a request waits for a free connection before it is answered 503."
    )
    session_days: int = Field(14, ge=1, description="Days after which an unused sign-in ends.")
    invitation_days: int = Field(14, ge=1, description="Days an invitation link stays valid.")
    reset_hours: int = Field(24, ge=1, description="Hours a password-reset link stays valid.")
    sign_in_attempts: int = Field(
        10,
        ge=1,
        description="Failed sign-ins per account in 15 minutes; an address, which many share, has ten times that.",
    )
    request_rate: int = Field(1200, ge=1, description="Requests a minute admitted per signed-in person or address.")
    trusted_proxies: str = Field("127.0.0.1", description="Comma-separated proxies whose X-Forwarded-For is believed.")

    max_upload_bytes: int = Field(512 * 1024**2, ge=1024, description="Largest file an import accepts.")
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token for /metrics; without it only loopback may read."
    )
    log_level: str = Field("INFO", description="Standard logging level name.")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for eyes.")

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="smtp://user:password@host:587 (or smtps://); empty keeps messages in the inbox only.",
    )
    mail_from: str = Field("accord@localhost", description="Sender of mail.")

    job_lease_seconds: float = Field(60.0, gt=1, description="A job whose worker is silent this long is handed on.")
    job_heartbeat_seconds: float = Field(5.0, gt=0.1, description="How often a worker renews the lease of its job.")
    sweep_seconds: float = Field(5.0, gt=0.1, description="How often beat looks for lost wake-ups, leases and jobs.")

    training_devices: str = Field(
        "",
        description="Comma-separated devices that trainings on this machine take in turn, for instance cuda:0,cuda:1 "
        "or cpu; empty finds the graphics cards, and is one cpu where there is none.",
    )
    training_threads: int = Field(
        0, ge=0, description="Processor threads of a training process; 0 leaves it to torch (all cores)."
    )
    training_nice: int = Field(
        10, ge=0, le=19, description="How far a training on processors steps back for other programs; 19 is farthest."
    )
    scratch_dir: Path | None = Field(
        None, description="Folder for the files of running trainings; empty means scratch/ in the data folder."
    )

    @model_validator(mode="after")
    def _normalise(self) -> Settings:
        for plain in ("postgresql://", "postgres://"):
            if self.database_url.startswith(plain):
                self.database_url = "postgresql+psycopg://" + self.database_url.removeprefix(plain)
        if self.database_url and not self.database_url.startswith("postgresql+psycopg://"):
            raise ValueError(
                "DATABASE_URL must name a PostgreSQL server, for instance postgresql://user:password@host/accord"
            )
        self.public_url = self.public_url.rstrip("/")
        if self.environment == "production":
            self._refuse_defaults()
        return self

    def _refuse_defaults(self) -> None:
        secret = self.secret_key.get_secret_value()
        if secret == DEVELOPMENT_SECRET or len(secret) < 32:
            raise ValueError("ACCORD_SECRET_KEY must be set to at least 32 random characters: openssl rand -hex 32")
        if not self.database_url:
            raise ValueError("DATABASE_URL must be set in production")
        if not self.redis_url:
            raise ValueError("REDIS_URL must be set in production")

    @computed_field(description="Whether cookies carry Secure and the __Host- prefix.")  # type: ignore[prop-decorator]
    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


@lru_cache
def settings() -> Settings:
    """The process's settings; a wrong environment ends in one sentence that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        variable = "" if not name else (name if name.isupper() else f"ACCORD_{name.upper()}")
        parts.append(f"{variable}: {text}" if variable else text)
    return "The settings cannot be used. " + "; ".join(parts)
