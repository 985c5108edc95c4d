"""What each API takes and gives, as a table; and the pure functions that adapt a request to a row of it.

| module | what it decides |
|---|---|
| `table`, `dialect` | the rows, and what a row is |
| `call_ids` | ids and names of tool calls |
| `turn_order` | who may speak when; blank turns; where a tool's pictures go |
| `media` | which pictures, sounds, films and files can be shown |
| `thinking` | when a model may not think |
| `settings` | names and values of settings |
| `tool_choice` | which tool must be called |
| `answer_end` | how an answer ended; whether a stream was cut |

The docs are drawn from it: `python -m switchwise.testing.portability`.
"""

from switchwise.dialects.dialect import Dialect, Thoughts
from switchwise.dialects.table import DIALECTS, by_name, spoken_at

__all__ = ["DIALECTS", "Dialect", "Thoughts", "by_name", "spoken_at"]
