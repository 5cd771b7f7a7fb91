"""Variation of training scans: geometry, colour rendering, image quality, projected items."""
