"""The installer behind make: what it says to an old Python, and that two commands share one .venv in peace."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

from scripts import install, tools

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The extras that each installation was asked for; nothing is really installed."""
    asked: list[str] = []
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "is_usable", lambda: True)
    monkeypatch.setattr(install, "install", lambda extras: not asked.append(extras))
    return asked


def test_what_is_installed_satisfies_a_part_of_it(installed: list[str]) -> None:
    assert install.main("test,lint") == 0
    assert install.main("lint") == 0
    assert install.main("embedded,parquet") == 0, "the extra test brings both"
    assert installed == ["lint,test"]


def test_two_commands_add_up_and_then_take_turns_for_free(installed: list[str]) -> None:
    for extras in ("embedded,parquet", "test,lint", "embedded,parquet", "test,lint"):
        assert install.main(extras) == 0
    assert installed == ["embedded,parquet", "embedded,lint,parquet,test"]


def test_new_requirements_are_installed(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    install.main("lint")
    monkeypatch.setattr(install, "fingerprint", lambda: "another constraints.txt")
    install.main("lint")
    assert installed == ["lint", "lint"]


def test_a_failed_installation_is_tried_again(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "install", lambda extras: bool(installed.append(extras)))
    assert install.main("lint") == 1
    assert install.main("lint") == 1
    assert installed == ["lint", "lint"]


@pytest.mark.parametrize("left", ["", "[]", "{half", json.dumps({"inputs": 1})])
def test_a_broken_stamp_counts_as_none(installed: list[str], left: str) -> None:
    (install.VENV / ".accord-stamp").write_text(left)
    assert install.main("lint") == 0
    assert installed == ["lint"]


@pytest.mark.parametrize("name", install.SOURCES)
def test_uv_picks_torch_by_the_machine_unless_a_source_was_named(name: str) -> None:
    assert install.with_torch_that_fits({"PATH": "/bin", name: ""})["UV_TORCH_BACKEND"] == "auto"
    assert install.with_torch_that_fits({name: "given"}) == {name: "given"}


def test_pips_own_sources_count_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(listed: str) -> dict[str, str]:
        done = subprocess.CompletedProcess([], 0, stdout=listed)
        monkeypatch.setattr(install.subprocess, "run", lambda *_given, **_options: done)
        return install.with_torch_that_fits(install.uv_environment())

    assert "UV_TORCH_BACKEND" not in told("global.index-url='https://mirror.example.org/simple'\n")
    assert "UV_TORCH_BACKEND" not in told("global.find-links='https://wheels.example.org/'\n")
    assert told("global.timeout='60'\n") == {"UV_TORCH_BACKEND": "auto"}


def test_make_up_installs_what_a_training_needs() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("install-up:\n")[2].partition("\n\n")[0]
    extras = recipe.rpartition(" ")[2].split(",")
    assert {"train", "minilm"} <= install.closure(set(extras))


def test_an_old_python_can_read_the_installer_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse((ROOT / "scripts" / "install.py").read_text(), feature_version=(3, 7))
    monkeypatch.setattr("sys.version_info", (3, 8, 18))
    assert install.main("lint") == 1
    assert "needs Python 3.11 or newer; this is 3.8.18" in capsys.readouterr().out


@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_make_names_a_python_that_will_not_do(python: str) -> None:
    made = subprocess.run(["make", "up", f"PYTHON={python}"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode != 0
    assert f"needs Python 3.11 or newer, and {python} is not" in made.stdout


def test_tools_that_cannot_be_installed_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tools, "privileges", lambda: None)
    assert tools.main(["no-such-tool"]) == 1
    assert "The tests need no-such-tool, and" in capsys.readouterr().out
    assert tools.main(["make"]) == 0
