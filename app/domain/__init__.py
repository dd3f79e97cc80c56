"""Pure functions: standard library, numpy and scipy; no clock and no randomness but what is passed in."""
