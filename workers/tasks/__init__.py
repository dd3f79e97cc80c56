"""Thin adapters between Celery and the services."""
