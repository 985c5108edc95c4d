"""Replies, streams, usage and events."""
