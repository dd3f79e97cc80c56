"""Take the pictures of the README from the sample project: `python -m scripts.screenshots`, after `make test`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e import people
from tests.support.stack import Stack, start_stack

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDE, PHONE = {"width": 1360, "height": 850}, {"width": 390, "height": 844}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stack = start_stack(Path(folder) / "data")
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                take_all(browser, stack)
        finally:
            stack.stop()


def take_all(browser: Browser, stack: Stack) -> None:
    first = browser.new_page(viewport=WIDE)
    people.set_up(first, stack.setup_url)
    first.get_by_role("button", name="Create the sample project").click()
    first.get_by_role("button", name="Fill with simulated annotators").click()
    state = first.context.storage_state()
    base = f"{stack.url}/projects/1"
    desk = open_page(browser, state)
    desk.goto(f"{base}/judge")
    desk.keyboard.press("g")
    desk.keyboard.press("6")
    take(desk, "desk")
    phone = open_page(browser, state, viewport=PHONE, dark=True)
    phone.goto(f"{base}/judge")
    take(phone, "desk-phone-dark")
    first.goto(f"{base}/jobs")
    first.get_by_text("Done").wait_for(timeout=180_000)
    first.goto(f"{base}/tasks")
    take(first, "tasks")
    dark = open_page(browser, state, dark=True)
    dark.goto(base)
    take(dark, "overview-dark")


def open_page(browser: Browser, state: Any, *, viewport: dict[str, int] | None = None, dark: bool = False) -> Page:
    context = browser.new_context(
        viewport=viewport or WIDE,  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
        storage_state=state,
    )
    return context.new_page()


def take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
