"""Evaluation of an exported model on labelled scans: what every figure counts, computed with numpy alone."""
