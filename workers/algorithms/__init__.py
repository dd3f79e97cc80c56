"""One algorithm, one file; each runs alone: `python -m workers.algorithms.reward_model --help`."""
