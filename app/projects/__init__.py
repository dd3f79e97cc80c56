"""Projects with their guidelines, answer schemas and policies."""
