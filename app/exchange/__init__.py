"""Data in and out: import, export."""
