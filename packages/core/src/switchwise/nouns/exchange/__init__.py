"""What is said to a model and what comes back: conversations, questions, answers, replies, earlier attempts."""
