"""Clean cargo scans beside the same scans with one thing projected into them: how much is found, and what it costs."""
