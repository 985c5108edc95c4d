"""A summary as a page."""
