"""The watched folder for every test of one."""

from tests.made.watched_folders import place

__all__ = ["place"]
