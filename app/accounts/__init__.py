"""People: sign-in, sessions, roles, invitations, consent, the inbox and API tokens."""
