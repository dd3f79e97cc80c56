"""Runs a training in a process of its own and writes down, under the attempt's fence, what comes of it."""
