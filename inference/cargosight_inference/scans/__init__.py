"""Scans: the value type and its readers.

`scan` holds the `Scan`, `readers` turns files into scans by their content, `pseudocolour` renders two-energy
transmission as the usual X-ray colours.
"""
