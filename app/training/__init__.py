"""Training runs: what was asked for, how far it is, what came of it."""
