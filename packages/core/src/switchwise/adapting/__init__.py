"""Shared by all adapters: the models that the user gives, the view builder, the decision record."""
