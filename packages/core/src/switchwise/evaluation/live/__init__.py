"""Evaluation on live traffic: shadow routers, drift alarms, and an audit of spending, outcomes from LangSmith."""

from switchwise.evaluation.live.audit import Audit, Group, audit
from switchwise.evaluation.live.drift import Alarm, Drift
from switchwise.evaluation.live.langsmith import langsmith_feedback
from switchwise.evaluation.live.saving import Saving
from switchwise.evaluation.live.shadow import Judged, Shadow, ShadowReport, judged

__all__ = [
    "Alarm",
    "Audit",
    "Drift",
    "Group",
    "Judged",
    "Saving",
    "Shadow",
    "ShadowReport",
    "audit",
    "judged",
    "langsmith_feedback",
]
