"""Measurements of Accord; each prints a table and writes JSON, none is part of the tests."""
