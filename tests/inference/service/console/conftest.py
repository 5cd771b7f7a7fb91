"""The browser for every test of a page, and the viewer for its own."""

from tests.made.browser import browser
from tests.made.viewer_fixtures import viewer, viewer_page, viewer_pictures

__all__ = ["browser", "viewer", "viewer_page", "viewer_pictures"]
