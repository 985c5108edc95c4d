"""Evaluation on live traffic: shadow routers, drift alarms, and an audit of spending."""

from switchwise.evaluation.live.audit import Audit, Group, audit
from switchwise.evaluation.live.drift import Alarm, Drift
from switchwise.evaluation.live.shadow import Judged, Shadow, ShadowReport, judged

__all__ = ["Alarm", "Audit", "Drift", "Group", "Judged", "Shadow", "ShadowReport", "audit", "judged"]
