"""Who watches: journal, logging, explanations."""
