"""The command line: up | serve | worker | beat | migrate | ..."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.errors import AppError

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@cli.callback()
def find_servers(context: typer.Context) -> None:
    """Accord turns human judgement into trained models."""
    if context.invoked_subcommand != "up" and not os.environ.get("DATABASE_URL"):
        from app.supervisor.addresses import adopt

        adopt(Path(os.environ.get("ACCORD_DATA_DIR", "data")), os.environ)


@cli.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the web server on 127.0.0.1.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder for everything that is kept.")] = Path("data"),
) -> None:
    """Start everything on this machine: servers (unless DATABASE_URL and REDIS_URL are set), web, workers, beat."""
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
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Jobs at once; by default 2, and one a device for train.")
    ] = None,
) -> None:
    """Run a worker process; trainings have workers of their own, so that no other job waits for one."""
    if concurrency is None:
        from app.training.devices import of_this_machine

        concurrency = len(of_this_machine()) if queues == "train" else 2
    # Workers need not know each other: the rows of the job table are what they share.
    alone = ("--without-mingle", "--without-gossip")
    celery("worker", "--queues", queues, "--concurrency", str(concurrency), "--hostname", f"{queues}@%h", *alone)


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
    from app.config import settings
    from app.schema_version import is_newest

    if is_newest(settings().database_url):
        return
    from alembic import command
    from alembic.config import Config

    root = Path(__file__).resolve().parent.parent
    config = Config(root / "alembic.ini")
    config.set_main_option("script_location", str(root / "migrations"))
    command.upgrade(config, "head")


@cli.command("import")
def import_(
    source: Annotated[list[str], typer.Argument(metavar="[PROJECT] FILE", help="Project by number or name; the file.")],
    create: Annotated[str | None, typer.Option(help="Make a new project of this name instead of naming one.")] = None,
    data_format: Annotated[
        str,
        typer.Option(
            "--format", help="auto, or a published data set's: finegrained-qa, hh, ukp-convarg1 (FILE is its folder)."
        ),
    ] = "auto",
    overlap: Annotated[
        int | None, typer.Option(min=1, max=50, help="Judgements wanted on tasks without votes; else the project's.")
    ] = None,
    extra_overlap: Annotated[
        int, typer.Option(min=0, max=50, help="Further judgements wanted on tasks that bring votes.")
    ] = 0,
    keep_same: Annotated[bool, typer.Option(help="Keep pairs of two equal responses.")] = False,
) -> None:
    """Import JSONL, CSV or Parquet: all rows or none; a second time adds nothing."""
    from app.exchange import command
    from app.exchange.schemas import ImportOptions

    if len(source) != (1 if create else 2):
        raise typer.BadParameter("give a project and a file, or a file and --create NAME")
    options = ImportOptions(overlap=overlap, extra_overlap=extra_overlap, keep_same=keep_same)
    project = None if create else source[0]
    code = command.run(project=project, file=Path(source[-1]), create=create, data_format=data_format, options=options)
    raise typer.Exit(code)


@cli.command()
def setup_link() -> None:
    """Print a fresh one-time link that makes the first admin; nothing once there is an admin."""
    from app.accounts.service import setup
    from app.database import unit_of_work

    with unit_of_work() as session:
        url = setup.setup_link(session)
    if url:
        print(url)


admin = typer.Typer(no_args_is_help=True, help="The admins of this installation, from the server's own command line.")
cli.add_typer(admin, name="admin")


@admin.command("list")
def list_admins() -> None:
    """Print the active admins of this installation: id, e-mail address, name."""
    from app.accounts import people_queries
    from app.database import unit_of_work

    with unit_of_work() as session:
        for user in people_queries.instance_admins(session):
            print(f"{user.id}\t{user.email}\t{user.name}")


@admin.command()
def create_reset_link(email: Annotated[str, typer.Argument(help="E-mail address of the person.")]) -> None:
    """Print a one-time link to a new password, for an admin whom nobody else can help back in."""
    from app.accounts.service import resets
    from app.database import unit_of_work

    with unit_of_work() as session:
        url = resets.create_link_for(session, email=email)
    print(url)


@cli.command()
def agreement(
    file: Annotated[Path, typer.Argument(help="JSONL or CSV with the columns item, annotator and label.")],
    as_object: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """How far annotators agree: raw, alpha_sym, Krippendorff's alpha, AC1, Fleiss, Cohen by pair.

    Labels A and B (also first and second, response_a and response_b, a1 and a2,
    left and right, 1 and 2) are the two sides of a comparison, with or without
    a tie (also equal, same, draw). alpha_sym takes the sides as exchangeable:
    it does not change when A and B change places in some items. The ordinal
    alpha takes A, tie, B as 1, 2, 3; without a tie there is no order. both_bad
    (also neither) belongs to neither side: it leaves no order, and alpha_sym
    keeps it as it is. Other whole numbers are ordered by value, and balanced
    ones (-3 to 3) are sides too. Any other labels are names: no alpha_sym, no
    ordinal alpha.

    Cohen's kappa is given for pairs of annotators with at least 30 items in
    common, at most 50 pairs. Intervals are 95% bootstrap intervals over items;
    a column cluster (the prompt that items share) makes them intervals over
    clusters. Where there is no value or no interval, the reason stands in its
    place.

    --json prints n_items, n_votes, raw, alpha_sym, alpha_nominal,
    alpha_ordinal, ac1, fleiss (numbers, or null where there is none), cohen (a
    list of pairs), and intervals (low, high, n and reason of each by its name).
    """
    import json

    from app.quality.reading import read_votes
    from app.quality.summary import as_json, as_table, summarise

    votes, clusters = read_votes(file)
    summary = summarise(votes, clusters=clusters)
    print(json.dumps(as_json(summary)) if as_object else as_table(summary))


@cli.command()
def sample() -> None:
    """Create the sample project, or say where it is."""
    from app.config import settings
    from app.dashboard.sample import create_sample
    from app.database import unit_of_work

    with unit_of_work() as session:
        project, is_new = create_sample(session, actor_id=None)
    state = "The sample project is ready" if is_new else "The sample project is there already"
    print(f"{state}: {settings().public_url}/projects/{project.id}")


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
