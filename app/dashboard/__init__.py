"""Read-only composition over the slices' queries: home, overview, the audit trail."""
