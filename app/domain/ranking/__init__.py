"""Strengths of players (models, responses) from comparisons: who was compared, models of ties, estimates, intervals."""
