"""Simulated bags: areal densities of shaped items, Beer-Lambert at two energies, noise, a scanner's look.

Simulated scans serve the samples, the tests, and training as a source declared as simulated. No figure of how
good a model is comes from them.
"""
