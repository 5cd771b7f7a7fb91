"""Declared against observed: reference scans by heading, and how typical of its heading a scan looks."""
