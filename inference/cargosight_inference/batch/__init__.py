"""Whole archives inspected again: an immutable plan, shards scored by many workers, every input in exactly one row."""
