"""Shared by all adapters: the user's models, the view builder, the decision record."""
