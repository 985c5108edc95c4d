"""The demo: recorded airline conversations, re-enacted by a LangGraph agent whose every call is routed.

python -m langchain_switchwise.demo            recorded answers, local providers, no key
python -m langchain_switchwise.demo --live     your own keys, real answers, real bill
"""
