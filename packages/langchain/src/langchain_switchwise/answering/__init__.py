"""Replies, their decision record and their events."""
