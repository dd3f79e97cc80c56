"""The production set-up, as far as it can be tried without an engine: Debian's docker-compose reads and checks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.__main__ import cli
from app.config import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
REQUIRED = ("PUBLIC_URL", "ACCORD_SECRET_KEY", "ACCORD_DATABASE_PASSWORD", "POSTGRES_PASSWORD")
PROFILES = ("--profile", "cpu", "--profile", "gpu", "--profile", "observability")
GIVEN = {
    "PUBLIC_URL": "https://accord.example.org",
    "ACCORD_SECRET_KEY": "k" * 64,
    "ACCORD_DATABASE_PASSWORD": "d" * 64,
    "POSTGRES_PASSWORD": "p" * 64,
}


@pytest.fixture(scope="session")
def compose_program() -> str:
    found = shutil.which("docker-compose")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("docker-compose is missing, and CI must not skip: apt-get install docker-compose")
        pytest.skip("docker-compose is missing (make test installs it where it may): apt-get install docker-compose")
    return found


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """docker-compose with these variables and no others: neither a .env file nor the caller's environment counts."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    with tempfile.NamedTemporaryFile(suffix=".env") as empty:
        command = [program, "--env-file", empty.name, *PROFILES, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="session")
def services(compose_program: str) -> dict[str, dict[str, Any]]:
    done = run(compose_program, "config", **GIVEN)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    return found


@pytest.mark.parametrize(
    ("profiles", "added"),
    [((), set()), (("cpu",), {"train-cpu"}), (("gpu",), {"train-gpu"}), (("observability",), {"prometheus"})],
)
def test_each_profile_adds_its_own(services: dict[str, dict[str, Any]], profiles: tuple[str], added: set[str]) -> None:
    started = {name for name, service in services.items() if not service.get("profiles")}
    assert started == {"postgres", "redis", "migrate", "web", "worker", "beat"}
    assert {name for name, service in services.items() if set(service.get("profiles", [])) & set(profiles)} == added


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_secret_is_named_in_a_sentence(compose_program: str, missing: str) -> None:
    for value in ({}, {missing: ""}):
        given = {name: text for name, text in GIVEN.items() if name != missing}
        done = run(compose_program, "config", **given, **value)
        assert done.returncode != 0
        assert re.search(rf": Set {missing} in \.env[ ,]", done.stderr), done.stderr


def test_the_example_lists_every_variable_and_gives_no_secret_away(compose_program: str) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) == set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) == set(REQUIRED)
    assert [example[name] for name in REQUIRED] == ["", "", "", ""]
    assert run(compose_program, "config", **example).returncode != 0


def test_programs_get_settings_that_exist_and_production_accepts(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {field.alias or f"ACCORD_{name.upper()}" for name, field in Settings.model_fields.items()}
    for name in ("migrate", "web", "worker", "beat", "train-cpu", "train-gpu"):
        environment = services[name]["environment"]
        assert set(environment) <= known, name
        with monkeypatch.context() as patched:
            for variable in known:
                patched.delenv(variable, raising=False)
            for variable, value in environment.items():
                patched.setenv(variable, str(value))
            found = Settings()
        assert found.environment == "production"
        assert found.database_url.startswith("postgresql+psycopg://accord:")


def test_programs_are_commands_of_the_command_line(services: dict[str, dict[str, Any]]) -> None:
    commands = typer.main.get_command(cli).commands
    for name in ("migrate", "web", "worker", "beat", "train-cpu", "train-gpu"):
        python, _, module, verb, *arguments = services[name]["command"]
        assert (python, module) == ("python", "app")
        commands[verb].make_context(verb, list(arguments))  # raises where an option is unknown


def test_programs_wait_for_what_they_need_and_run_without_rights(services: dict[str, dict[str, Any]]) -> None:
    for name in ("web", "worker", "beat", "train-cpu", "train-gpu"):
        service = services[name]
        needs = {other: how["condition"] for other, how in service["depends_on"].items()}
        assert needs == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "migrate": "service_completed_successfully",
        }, name
        assert service["healthcheck"]["test"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
    for name in ("postgres", "redis"):
        assert "ports" not in services[name], "servers are not to be reached from outside"
        assert list(services[name]["networks"]) == ["inside"]
        assert services[name]["healthcheck"]["test"]


def test_the_program_signs_in_as_no_superuser() -> None:
    script = (ROOT / "deploy" / "postgres-role.sh").read_text()
    assert "create role accord login nosuperuser nocreatedb nocreaterole" in script
    assert subprocess.run(["sh", "-n", "deploy/postgres-role.sh"], cwd=ROOT).returncode == 0
    assert os.access(ROOT / "deploy" / "postgres-role.sh", os.X_OK)


def test_images_are_those_that_compose_builds_and_run_without_root(services: dict[str, dict[str, Any]]) -> None:
    parts = re.split(r"(?m)^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text())
    targets = dict(zip(parts[1::2], parts[2::2], strict=True))
    built = {service["build"]["target"] for service in services.values() if "build" in service}
    assert built == {"web", "worker"}
    for target in built:
        assert re.search(r"(?m)^USER (\w+)", targets[target])
        assert not re.search(r"(?m)^USER root", targets[target])
    assert "train" not in re.findall(r"--editable \"\.\[(.*?)\]\"", targets["web"])[0]


def test_who_trains_has_an_image_with_torch_and_a_queue_of_its_own(services: dict[str, dict[str, Any]]) -> None:
    for name in ("train-cpu", "train-gpu"):
        assert "train" in services[name]["build"]["args"]["EXTRAS"].split(",")
        assert services[name]["command"][-2:] == ["--queues", "train"]
        assert services[name]["image"] != services["worker"]["image"]
