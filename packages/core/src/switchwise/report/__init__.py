"""What a router did and what that cost: a journal as numbers (`summarise`) and as one self-contained page (`page`)."""

from switchwise.report.drawing.page import page
from switchwise.report.summary import Summary, summarise

__all__ = ["Summary", "page", "summarise"]
