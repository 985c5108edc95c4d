"""Frozen values: errors, scope, target, usage, signals, view, call, shortlist, prompt prefix."""
