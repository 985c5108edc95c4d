"""Time limits of calls."""
