"""Comparisons at equal CPU time; see README.md. Not part of the installed package."""
