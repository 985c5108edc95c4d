"""Policies that need LangChain: following a node, decision models."""
