"""How far judgements can be trusted: agreement, and later reliability, gold and drift."""
