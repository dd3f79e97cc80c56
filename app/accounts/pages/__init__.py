"""The pages of people: coming in, the own account, the inbox, and who is here."""

from __future__ import annotations

from fastapi import APIRouter

from app.accounts.pages import account, consent, inbox, invitations, people, reset, setup, sign_in

router = APIRouter()
for part in (setup, sign_in, reset, invitations, consent, account, inbox, people):
    router.include_router(part.router)
