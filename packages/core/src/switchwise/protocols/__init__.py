"""The neutral prompt and its wire forms."""
