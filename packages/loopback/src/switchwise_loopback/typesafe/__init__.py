"""TypeSafe's API: the System One interface."""
