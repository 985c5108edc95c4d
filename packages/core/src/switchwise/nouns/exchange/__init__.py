"""What is asked of a model and what comes back: questions, answers, replies, earlier attempts."""
