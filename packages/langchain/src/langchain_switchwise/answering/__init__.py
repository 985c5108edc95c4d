"""Replies, their record and their events."""
