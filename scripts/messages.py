"""Collect the interface's texts and bring the catalogues up to date: `python -m scripts.messages [locale ...]`.

Every catalogue in app/locale gets the new texts and keeps its translations; a locale named on the command line gets a
catalogue if it has none. The program compiles catalogues in memory, so that .po files are all there is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

from app import errors

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "app" / "locale"
DOMAIN = "accord"


def keywords() -> dict[str, tuple[int, ...] | None]:
    """The calls whose first argument is a text for people: gettext's own, every error, and validators' ValueError."""
    raised = {name: None for name, thing in vars(errors).items() if inspect.isclass(thing)}
    elsewhere = ("DraftConflict", "ConsentRequired", "CsrfFailed", "ValueError")
    return {**DEFAULT_KEYWORDS, **raised, **dict.fromkeys(elsewhere)}


def extract(root: Path = ROOT) -> Catalog:
    """Every text of Python files and templates, sorted, without places: those change with every line."""
    with (root / "babel.cfg").open() as source:
        methods, options = parse_mapping_cfg(source)
    catalogue = Catalog(project="Accord", domain=DOMAIN, fuzzy=False)
    found = extract_from_dir(root, methods, options, keywords=keywords(), comment_tags=("Translators:",))
    for _filename, _line, message, comments, context in found:
        catalogue.add(message, auto_comments=comments, context=context)
    for sentence in _default_sentences():
        catalogue.add(sentence)
    return catalogue


def _default_sentences() -> Iterator[str]:
    """What an error says that is raised without a sentence of its own."""
    for thing in vars(errors).values():
        if inspect.isclass(thing) and issubclass(thing, errors.AppError):
            default = inspect.signature(thing).parameters["message"].default
            if isinstance(default, str):
                yield default


def update(locale: str, template: Catalog, folder: Path = LOCALES) -> Path:
    """The locale's catalogue with the texts of `template`; translations are kept, texts that are gone are dropped."""
    path = folder / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
    if path.exists():
        with path.open("rb") as source:
            catalogue = read_po(source, locale=locale, domain=DOMAIN)
    else:
        path.parent.mkdir(parents=True)
        catalogue = Catalog(locale=locale, domain=DOMAIN, project="Accord")
    catalogue.update(template, no_fuzzy_matching=True)
    with path.open("wb") as out:
        write_po(out, catalogue, sort_output=True, ignore_obsolete=True, width=110)
    return path


def main(arguments: list[str]) -> None:
    template = extract()
    present = {path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")}
    print(f"{len(template)} texts")
    for locale in sorted(present | set(arguments)):
        print(update(locale, template).relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
