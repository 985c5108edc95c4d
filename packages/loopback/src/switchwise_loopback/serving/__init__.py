"""HTTP, headers, prompt caches, faults, and what a protocol must offer."""
