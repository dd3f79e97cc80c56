"""Random tokens: the person gets the token, the database its SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets


def new_token(prefix: str = "") -> tuple[str, bytes]:
    """A fresh token of 256 random bits and the hash to store."""
    token = prefix + secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> bytes:
    """SHA-256 is enough here: the token itself has 256 bits of entropy, nothing to stretch."""
    return hashlib.sha256(token.encode()).digest()
