"""gettext for pages and for sentences that services raise; the locale is that of the request.

Catalogues live in app/locale/<locale>/LC_MESSAGES/accord.po and are compiled in memory, so that no build step and no
binary file is needed. A message without a translation is shown in English.
"""

from __future__ import annotations

import contextlib
import contextvars
import gettext as gettext_module
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.core import UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE_FOLDER = Path(__file__).resolve().parent.parent / "locale"
# The value is a holder of one locale: sync dependencies and routes run in threads with copies of the request's context,
# and what a dependency learns of the reader must reach the route.
_current: contextvars.ContextVar[list[str]] = contextvars.ContextVar("accord_locale")


def available_locales() -> list[str]:
    """English and every folder that holds a catalogue."""
    return ["en", *sorted(path.parent.parent.name for path in LOCALE_FOLDER.glob("*/LC_MESSAGES/accord.po"))]


@lru_cache
def translations(locale: str) -> gettext_module.NullTranslations:
    path = LOCALE_FOLDER / locale / "LC_MESSAGES" / "accord.po"
    if not path.exists():
        return gettext_module.NullTranslations()
    with path.open("rb") as source:
        catalogue = read_po(source, locale=locale)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext_module.GNUTranslations(compiled)


def current_locale() -> str:
    return _current.get(["en"])[0]


@contextlib.contextmanager
def use_locale(locale: str) -> Iterator[None]:
    token = _current.set([_available(locale)])
    try:
        yield
    finally:
        _current.reset(token)


def begin_request(locale: str) -> None:
    """Give this request a locale of its own, before any of its work is handed to threads."""
    _current.set([_available(locale)])


def set_locale(locale: str) -> None:
    """Choose the locale for the rest of this request, in whichever of its threads this is called."""
    holder = _current.get(None)
    if holder is None:
        _current.set([_available(locale)])
    else:
        holder[0] = _available(locale)


def _available(locale: str) -> str:
    return locale if locale in available_locales() else "en"


def gettext(message: str) -> str:
    return translations(current_locale()).gettext(message)


def N_(message: str) -> str:  # noqa: N802 - the name by which Babel finds such texts
    """Names a text for the translators; it is translated where it is shown."""
    return message


def ngettext(singular: str, plural: str, n: int) -> str:
    return translations(current_locale()).ngettext(singular, plural, n)


def pgettext(context: str, message: str) -> str:
    return translations(current_locale()).pgettext(context, message)


def npgettext(context: str, singular: str, plural: str, n: int) -> str:
    return translations(current_locale()).npgettext(context, singular, plural, n)


def text_direction(locale: str | None = None) -> str:
    """ltr or rtl."""
    try:
        return Locale.parse(locale or current_locale()).text_direction
    except (UnknownLocaleError, ValueError):
        return "ltr"


def negotiate(accept_language: str) -> str:
    """The best locale for an Accept-Language header."""
    wanted = [part.split(";")[0].strip().replace("-", "_") for part in accept_language.split(",") if part.strip()]
    available = available_locales()
    for locale in wanted:
        for candidate in (locale, locale.split("_")[0]):
            if candidate in available:
                return candidate
    return "en"
