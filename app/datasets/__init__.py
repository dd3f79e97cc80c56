"""Frozen data sets: which votes, by which policy, into which rows; kept, checked again, and handed to training."""
