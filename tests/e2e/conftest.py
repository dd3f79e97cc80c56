"""A real browser on the real program. Without Chromium these tests fail rather than skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.e2e.annotator_site import Site, annotator_site
from tests.e2e.people import set_up
from tests.support.stack import Stack, start_stack

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SHOTS = Path(os.environ.get("ACCORD_SHOTS", Path(__file__).parent / "shots"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Accord as `make up` starts it, in a fresh folder."""
    running = start_stack(tmp_path_factory.mktemp("accord") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("Chromium is needed for the browser tests: apt-get install chromium (make test does it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One web process with something on every page of an annotator; tests put back what they change of the person."""
    with annotator_site(f"site_{worker_id}", tmp_path_factory.mktemp("locales")) as running:
        yield running


@pytest.fixture(scope="session")
def admin_state(stack: Stack, chromium: Browser) -> object:
    """The first admin's sign-in, made through the set-up link."""
    context = chromium.new_context()
    set_up(context.new_page(), stack.setup_url)
    state = context.storage_state()
    context.close()
    return state


class Watch:
    """What no page may do: break the content security policy, fail in a script, or ask another origin."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []

    def on(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.faults.append(f"{message.text} at {message.location}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "about:", "blob:")):
            self.faults.append(f"request to {request.url}")


@pytest.fixture
def watch(stack: Stack) -> Iterator[Watch]:
    watching = Watch(stack.url)
    yield watching
    assert watching.faults == []


@pytest.fixture
def open_browser(chromium: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """open_browser(width=..., dark=..., javascript=...) -> a page of a person of its own, watched."""
    contexts: list[BrowserContext] = []

    def opening(*, width: int = 1440, height: int = 900, dark: bool = False, javascript: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        watch.on(page)
        return page

    yield opening
    for context in contexts:
        context.close()


def shoot(page: Page, name: str) -> None:
    """Keep a picture for a person to look at; never compared by a machine."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=False)
