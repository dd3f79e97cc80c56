"""How good and how regular annotators are: gold, position, self-consistency, length, pace, skill.

Only evidence that does not ask whether someone agrees with others may pause anybody by itself: gold, position, and
self-consistency. The rest is for a person to look at.
"""
