"""Accord turns human judgement into trained models; this package is the platform that people meet."""
