"""Evaluation on live traffic: shadow routers, bills of two routers on one journal, drift alarms, an audit of spending, outcomes from LangSmith."""

from switchwise.evaluation.live.audit import Audit, Group, audit
from switchwise.evaluation.live.bills import Bill, ComparedBills, compare_bills
from switchwise.evaluation.live.drift import Alarm, Drift
from switchwise.evaluation.live.langsmith import langsmith_feedback
from switchwise.evaluation.live.saving import Saving
from switchwise.evaluation.live.shadow import Judged, Shadow, ShadowReport, judged

__all__ = [
    "Alarm",
    "Audit",
    "Bill",
    "ComparedBills",
    "Drift",
    "Group",
    "Judged",
    "Saving",
    "Shadow",
    "ShadowReport",
    "audit",
    "compare_bills",
    "judged",
    "langsmith_feedback",
]
