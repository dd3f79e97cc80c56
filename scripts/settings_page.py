"""Write docs/settings.md from the settings themselves: `python -m scripts.settings_page`."""

from __future__ import annotations

from pathlib import Path

from app.config import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Every knob of the environment. A project's own rules (overlap, gold rate, choices) are set in the browser and kept as
versions.

| Variable | Default | What it does |
| --- | --- | --- |
"""


def main() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "" if name in {"secret_key", "metrics_token", "smtp_url"} or default in (None, "") else f"`{default}`"
        rows.append(f"| `{field.alias or 'ACCORD_' + name.upper()}` | {shown} | {field.description} |")
    PAGE.write_text(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
