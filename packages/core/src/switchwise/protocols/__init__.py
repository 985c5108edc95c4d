"""The neutral prompt and its wire formats."""
