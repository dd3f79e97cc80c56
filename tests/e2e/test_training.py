"""From the sample project to a reward model and a language model, all in the browser, as a newcomer does it."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import shoot

pytestmark = pytest.mark.e2e

MINUTES = 60_000


@pytest.fixture(scope="module")
def studio(stack, chromium, admin_state):
    """The admin in the sample project, filled by simulated annotators, with one frozen data set."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, storage_state=admin_state)
    page = context.new_page()
    page.goto(stack.url)
    page.get_by_role("button", name="Create the sample project").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sample")
    project = page.url.rstrip("/").split("/projects/")[1].split("/")[0].split("?")[0]
    base = f"{stack.url}/projects/{project}"
    page.get_by_role("button", name="Fill with simulated annotators").click()
    until_all_is_judged(page, f"{stack.url}/api/v1/projects/{project}/overview")
    freeze(page, base)
    yield {"page": page, "base": base, "project": project}
    context.close()


def until_all_is_judged(page: Page, address: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        tasks = page.request.get(address).json()["tasks"]
        if tasks["n_done"] and not tasks["n_waiting"] + tasks["n_leased"]:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"the simulated annotators did not finish: {tasks}")


def freeze(page: Page, base: str) -> None:
    page.goto(f"{base}/datasets")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("link", name="Train a model")).to_be_visible(timeout=MINUTES)


def start(page: Page, base: str, *, name: str, epochs: int, kind: str = "Reward model") -> None:
    """A small model from scratch, by the form."""
    page.goto(f"{base}/training/new")
    page.get_by_role("link", name=re.compile(f"^{re.escape(kind)}")).click()
    expect(page.get_by_role("link", name=re.compile(f"^{re.escape(kind)}"))).to_have_attribute("aria-current", "page")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=model_kind][value=scratch]").check(force=True)
    page.locator("input[name=epochs]").fill(str(epochs))
    page.locator("input[name=max_length]").fill("64")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_agreement_of_the_sample_project_is_shown_with_its_interval(studio, watch):
    page = studio["page"]
    watch.on(page)
    page.goto(f"{studio['base']}/agreement")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    answer = page.request.get(f"{studio['base'].replace('/projects', '/api/v1/projects')}/agreement").json()
    assert answer["n_votes"] > 100
    assert answer["intervals"]["alpha_sym"]["low"] < answer["alpha_sym"] < answer["intervals"]["alpha_sym"]["high"]
    expect(page.get_by_text(f"{answer['alpha_sym']:.2f}").first).to_be_visible()
    shoot(page, "agreement-desktop-light")


@pytest.fixture(scope="module")
def trained(studio):
    """A small model, watched until it is there."""
    page = studio["page"]
    start(page, studio["base"], name="First model", epochs=3)
    expect(page.get_by_text(re.compile(r"Step \d+ of \d+"))).to_be_visible(timeout=2 * MINUTES)
    shoot(page, "run-running-desktop-light")
    expect(page.locator("#run-card")).to_contain_text("How it went", timeout=3 * MINUTES)
    shoot(page, "run-done-desktop-light")
    return page.url


def test_a_trained_model_is_shown_beside_length_alone_and_downloaded(studio, trained, watch, tmp_path):
    page = studio["page"]
    watch.on(page)
    page.goto(trained)
    expect(page.get_by_text(re.compile("length", re.IGNORECASE)).first).to_be_visible()
    for name in ("model.safetensors", "README.md", "config.json"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=re.compile(re.escape(name))).first.click()
        waiting.value.save_as(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    assert "reward model" in (tmp_path / "README.md").read_text().lower()
    expect(page.get_by_role("heading", name="Accuracy by slices")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the whole log").click()
    waiting.value.save_as(tmp_path / "run.log")
    assert "Phase: training" in (tmp_path / "run.log").read_text()


@pytest.fixture(scope="module")
def preferred(studio, trained):
    """A tiny language model trained on the same pairs by DPO."""
    page = studio["page"]
    start(page, studio["base"], name="Preferences", epochs=1, kind="Language model trained on preferences (DPO)")
    expect(page.locator("#run-card")).to_contain_text("How it went", timeout=2 * MINUTES)
    return page.url


def test_a_language_model_trained_on_preferences_shows_its_rewards_and_what_comes_next(studio, preferred):
    page = studio["page"]
    page.goto(preferred)
    for said in ("Chosen ahead of rejected", "Reward margin", "Length alone", "AutoModelForCausalLM"):
        expect(page.get_by_text(said).first).to_be_visible()
    page.goto(f"{studio['base']}/training/new?algorithm=dpo")
    expect(page.locator("input[name=model_kind][value=run]")).to_be_checked()
    expect(page.get_by_label("Earlier run", exact=True)).to_contain_text("Preferences")


def test_a_training_is_cancelled_from_its_page(studio, stack):
    page = studio["page"]
    start(page, studio["base"], name="Never mind", epochs=50)
    expect(page.get_by_text(re.compile(r"Step \d+ of \d+"))).to_be_visible(timeout=2 * MINUTES)
    page.get_by_role("button", name="Cancel training").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.get_by_text("This training was cancelled")).to_be_visible(timeout=30_000)
    page.goto(f"{studio['base']}/training")
    expect(page.locator("tbody tr", has_text="Never mind")).to_contain_text("Cancelled")
    shoot(page, "runs-desktop-light")


@pytest.fixture(scope="module")
def evaluated(studio, trained):
    """The address of an evaluation of the reward model, asked for on its page and waited for."""
    page = studio["page"]
    page.goto(trained)
    page.get_by_role("link", name="Evaluate").click()
    page.get_by_role("button", name="Start evaluation").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Evaluation of")
    address = page.url
    deadline = time.monotonic() + 90
    while not page.get_by_text("Held-out accuracy").is_visible():
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(500)
        page.goto(address)
    return address


def test_a_finished_model_is_evaluated_from_its_page(studio, trained, evaluated):
    page = studio["page"]
    page.goto(evaluated)
    expect(page.get_by_role("heading", name="Beside baselines")).to_be_visible()
    page.goto(trained)
    number = evaluated.rstrip("/").rsplit("/", 1)[1]
    assert page.locator(f"a[href$='/evaluations/{number}']").count() == 1


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_of_data_and_training_fit_their_window(
    studio, trained, preferred, evaluated, chromium, admin_state, watch, width, dark
):
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        storage_state=admin_state,
    )
    page = context.new_page()
    watch.on(page)
    look = f"{'phone' if width == 390 else 'desktop'}-{'dark' if dark else 'light'}"
    wide = []
    runs = [f"training/{address.rstrip('/').rsplit('/', 1)[1]}" for address in (trained, preferred)]
    forms = ["training/new", "training/new?algorithm=dpo", f"{runs[0]}/evaluations/new"]
    runs.append(evaluated.split(f"/{studio['project']}/", 1)[1])
    for name in ("agreement", "datasets", "datasets/1", "training", *forms, *runs):
        answer = page.goto(f"{studio['base']}/{name}")
        assert answer is not None and answer.status == 200, name
        shoot(page, f"{re.sub(r'[/?=]', '-', name)}-{look}")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
            wide.append(name)
    context.close()
    assert wide == []
