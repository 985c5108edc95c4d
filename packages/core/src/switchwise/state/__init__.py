"""Where memory lives: the store protocol and its implementations."""
