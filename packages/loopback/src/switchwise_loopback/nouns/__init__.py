"""What all APIs share: requests and answers, prompts, tokens, refusals."""
