"""Several calls at once: what a batch is, how its end is decided, and the threads and tasks that make it."""
