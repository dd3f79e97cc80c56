"""The command line: up | serve | worker | beat | migrate | ..."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.errors import AppError

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the web server on 127.0.0.1.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder for everything that is kept.")] = Path("data"),
) -> None:
    """Start everything on this machine: servers (unless DATABASE_URL and REDIS_URL are set), web, worker, beat."""
    from app import supervisor

    raise typer.Exit(supervisor.up(port=port, data_dir=data))


@cli.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run one web process."""
    import uvicorn

    from app.config import settings

    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings().trusted_proxies,
        timeout_graceful_shutdown=10,
        server_header=False,
    )


@cli.command()
def worker(
    queues: Annotated[str, typer.Option(help="Comma-separated queues: default, train.")] = "default",
    concurrency: Annotated[int, typer.Option(help="Jobs at once.")] = 2,
) -> None:
    """Run a worker process."""
    celery("worker", "--queues", queues, "--concurrency", str(concurrency), "--hostname", f"{queues}@%h")


@cli.command()
def beat() -> None:
    """Run the scheduler; several at once do no harm."""
    from app.config import settings

    settings().data_dir.mkdir(parents=True, exist_ok=True)
    celery("beat", "--schedule", str(settings().data_dir / "beat-schedule"))


def celery(*arguments: str) -> None:
    """Become Celery: app never imports workers, so the process is handed over."""
    command = [sys.executable, "-m", "celery", "-A", "workers.celery_app", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - a fixed command, no shell


@cli.command()
def migrate() -> None:
    """Bring the database to the newest version; safe to run twice and from two processes."""
    from alembic import command
    from alembic.config import Config

    root = Path(__file__).resolve().parent.parent
    config = Config(root / "alembic.ini")
    config.set_main_option("script_location", str(root / "migrations"))
    command.upgrade(config, "head")


def main() -> int:
    """Errors end in a sentence; a traceback is for faults of the program only."""
    try:
        cli(standalone_mode=True)
    except AppError as error:
        print(error.sentence(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
