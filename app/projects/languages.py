"""Languages that people choose from, named in the reader's own."""

from __future__ import annotations

from babel import Locale

from app.web.i18n import current_locale

# Those spoken most and those of the data sets in use; any other known code may be sent through the API.
CODES = (
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it",
    "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sr", "sv", "sw", "ta",
    "te", "th", "tr", "uk", "ur", "vi", "zh", "zh-TW",
)  # fmt: skip


def language_choices() -> list[tuple[str, str]]:
    """(code, name in the reader's language), sorted by name."""
    reader = Locale.parse(current_locale())
    named = [(code, Locale.parse(code, sep="-").get_display_name(reader) or code) for code in CODES]
    return sorted(named, key=lambda pair: pair[1].casefold())
