"""Check the request before a target receives it: personal data, secrets, injected instructions.

Use it to keep such calls on local targets, or to refuse them: you give the check (a regular expression, Presidio, a
classifier). It is a hard restriction, like `AllowList`: judges and decision models obey it too. It checks each turn once; the
verdict is kept under a digest, the text is not kept. Not for masking: it decides which targets may receive the text, and does
not change it.

Source: guardrails before a provider, as in vLLM Semantic Router, Portkey and Bifrost.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import whole
from switchwise.nouns.view import View
from switchwise.state.in_process import Memory


class Guard:
    r"""Require the targets of `only` when a check finds something in a turn.

    Parameters:
        check: function of a turn's text that returns whether something is found, or a word for the finding; fast and without
            I/O. An exception of the check ends the call: no unchecked text is sent.
        only: target or role that may receive it; empty: the call is refused.
        because: what the check looks for, for the records.
        size: most verdicts remembered.

    Raises:
        ConfigurationError: `check` is not a function; or, when the router is built, `only` is neither a target nor a role of
            the pool.

    >>> import re
    >>> from switchwise import Pool, Router, Target, Turn, View
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> guard = Guard(lambda text: bool(re.search(r"[\w.]+@[\w.]+", text)), only="local", because="an e-mail address")
    >>> router = Router(Pool([Target("cloud"), Target("local")]), guard)
    >>> router.decide(View(conversation=Conversation([Turn("user", "Write to ada@example.org")]))).names
    ('local',)
    """

    name = "Guard"
    requires = True

    def __init__(
        self, check: Callable[[str], bool | str], only: str = "", because: str = "a guard's finding", size: int = 10_000
    ) -> None:
        if not callable(check):
            raise ConfigurationError(f"Guard({check!r}): give a function of a turn's text that says whether something is found")
        whole("Guard", "size", size)
        self._check = check
        self.only = only
        self.because = because
        self._known: Memory[bytes, str] = Memory(size)

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        if self.only:
            pool.select(self.only)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        found = next(
            (verdict for turn in reversed(view.conversation) if (verdict := self._of(f"{turn.text}\n{turn.arguments}"))), ""
        )
        if not found:
            return shortlist
        names = shortlist.pool.select(self.only) if self.only else frozenset()
        return shortlist.require(lambda target: target.name in names, found)

    def _of(self, text: str) -> str:
        """The finding of the check in a text; empty if none."""
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._known.get(key)
        if known is None:
            verdict = self._check(text)
            known = (f"{self.because}: {verdict}" if isinstance(verdict, str) else self.because) if verdict else "-"
            self._known.put(key, known)
        return "" if known == "-" else known

    @staticmethod
    def _examples() -> list[Guard]:
        return [Guard(_speaks_of_money, only="fast"), Guard(_never)]


def _speaks_of_money(text: str) -> bool:
    return "iban" in text.lower()


def _never(text: str) -> bool:  # noqa: ARG001  (a check takes the text)
    return False
