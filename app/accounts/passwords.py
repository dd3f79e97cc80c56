"""Passwords: argon2id, what may be one, and a verification that costs the same whether or not the account exists."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.config import settings
from app.web.i18n import gettext as _

MINIMUM = 12
MAXIMUM = 256
COMMON = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456123456 1234567891011 111111111111 000000000000 121212121212
    123123123123 0987654321098 987654321098 qwertyuiop12 qwertyuiop123 qwertyuiopasdf qwerty123456 qwertyqwerty
    qwertzuiop123 asdfghjkl123 asdfasdfasdf 1q2w3e4r5t6y 1qaz2wsx3edc 1qaz2wsx3edc4rfv zaq12wsxcde3 password1234
    password12345 password123456 password123! passwordpassword mypassword123 letmeinletmein iloveyou1234
    iloveyouiloveyou welcome12345 welcome123456 adminadmin12 administrator admin1234567 admin123456789 changeme1234
    changemechangeme trustno1trustno1 football1234 baseball1234 superman1234 abcdefghijkl abcdefghijklm abcd1234abcd
    abc123abc123 monkeymonkey dragondragon princess1234 sunshine1234 qazwsxedcrfv secretsecret
    accordaccord accord123456 annotator123 annotatorannotator
    """.split()  # noqa: SIM905
)
"""Long passwords that lists of leaked ones begin with; shorter ones are refused by length."""


@lru_cache
def hasher() -> PasswordHasher:
    """argon2id by RFC 9106's second recommendation; in tests as cheap as the library allows."""
    if settings().environment == "test":
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@lru_cache
def _nobodys_hash() -> str:
    return hasher().hash("nobody signs in with this")


def hash_password(password: str) -> str:
    return hasher().hash(_canonical(password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether `password` fits; without an account, or with one that has no password, as much work is done in vain."""
    try:
        return hasher().verify(stored or _nobodys_hash(), _canonical(password)) and stored is not None
    except InvalidHashError:
        return is_password(None, password)
    except VerificationError:
        return False


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return hasher().check_needs_rehash(stored)


def password_problem(password: str, *, email: str, name: str) -> str | None:
    """Why this may not be the person's password, as a sentence; None when it may."""
    if len(password) < MINIMUM:
        return _("Please use at least %(count)s characters; a few words in a row are easy to remember.") % {
            "count": MINIMUM
        }
    if len(password) > MAXIMUM:
        return _("Please use at most %(count)s characters.") % {"count": MAXIMUM}
    plain = password.casefold().strip()
    if plain in (email.casefold().strip(), name.casefold().strip()):
        return _("Your name or e-mail address cannot be your password.")
    if plain.replace(" ", "") in COMMON or len(set(plain)) < 4:
        return _("This password stands on lists that attackers try first. Please choose another one.")
    return None


def _canonical(password: str) -> str:
    """The same password typed on another system: accents may be one character there and two here."""
    return unicodedata.normalize("NFC", password)
