"""What the model says: the default, and a recorded conversation again."""
