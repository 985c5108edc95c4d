"""Beside live traffic: a candidate in the shadow, alarms for drift, and an audit of what was paid."""

from switchwise.evaluation.live.audit import Audit, Group, audit
from switchwise.evaluation.live.drift import Alarm, Drift
from switchwise.evaluation.live.shadow import Judged, Shadow, ShadowReport, judged

__all__ = ["Alarm", "Audit", "Drift", "Group", "Judged", "Shadow", "ShadowReport", "audit", "judged"]
