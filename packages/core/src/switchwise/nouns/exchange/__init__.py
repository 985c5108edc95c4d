"""What is sent to a model and what it returns: conversations, questions, answers, replies, earlier attempts."""
