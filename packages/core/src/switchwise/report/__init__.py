"""Report a journal as numbers (`summarise`), as a self-contained page (`page`), and as a table for SQL (`journal_table`)."""

from switchwise.report.analytics import journal_table
from switchwise.report.drawing.page import page
from switchwise.report.summary import Summary, summarise

__all__ = ["Summary", "journal_table", "page", "summarise"]
