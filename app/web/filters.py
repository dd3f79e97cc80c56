"""Template filters: numbers, dates and times in the reader's locale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from babel import dates, numbers
from markupsafe import Markup

from app.web.i18n import current_locale


def format_number(value: float | None, digits: int | None = None) -> str:
    """A number with the locale's separators; `digits` fixes the decimals. None gives a dash."""
    if value is None:
        return "–"
    if digits is None:
        return numbers.format_decimal(value, locale=current_locale())
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return numbers.format_decimal(value, format=pattern, locale=current_locale())


def format_percent(value: float | None, digits: int = 0) -> str:
    """A share (0..1) in per cent."""
    if value is None:
        return "–"
    pattern = "0" + ("." + "0" * digits if digits else "") + "%"
    return numbers.format_percent(value, format=pattern, locale=current_locale())


def format_bytes(value: int) -> str:
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{format_number(size, 0 if unit == 'B' else 1)} {unit}"


def format_date(value: datetime | None) -> str:
    return dates.format_date(value, format="medium", locale=current_locale()) if value else "–"


def format_datetime(value: datetime | None) -> str:
    """Date and time to the minute, in UTC, saying so."""
    return f"{dates.format_datetime(value, format='medium', tzinfo=UTC, locale=current_locale())} UTC" if value else "–"


def relative_time(value: datetime | None, now: datetime | None = None) -> str:
    """ "3 minutes ago", with the exact time in a <time> element."""
    if value is None:
        return "–"
    delta = value - (now or datetime.now(UTC))
    text = dates.format_timedelta(delta, add_direction=True, locale=current_locale())
    element = Markup('<time datetime="{}" title="{}" data-relative>{}</time>')
    return element.format(value.isoformat(), format_datetime(value), text)


def format_duration(seconds: float | None) -> str:
    """ "4 minutes" for a span in seconds."""
    if seconds is None:
        return "–"
    return dates.format_timedelta(timedelta(seconds=seconds), locale=current_locale())


FILTERS = {
    "number": format_number,
    "percent": format_percent,
    "bytes": format_bytes,
    "date": format_date,
    "datetime": format_datetime,
    "relative_time": relative_time,
    "duration": format_duration,
}
