"""Rules of each provider API as a table, and pure functions that adapt a request to one row of it.

| module | decides |
|---|---|
| `table`, `dialect` | the rows, and what a row is |
| `call_ids` | ids and names of tool calls |
| `turn_order` | order of turns; blank turns; where images in tool results go |
| `media` | whether images, audio, video and files can be sent |
| `thinking` | when thinking must be off |
| `settings` | names and values of settings |
| `tool_choice` | which tool must be called |
| `answer_end` | why an answer ended; whether a stream was truncated |

The docs are generated from it: `python -m switchwise.testing.portability`.
"""

from switchwise.dialects.dialect import Dialect, Thoughts
from switchwise.dialects.table import DIALECTS, by_name, dialect_at

__all__ = ["DIALECTS", "Dialect", "Thoughts", "by_name", "dialect_at"]
