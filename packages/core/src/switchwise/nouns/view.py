"""One request as policies see it."""

from __future__ import annotations

from dataclasses import field

from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.recording import Recording
from switchwise.nouns.exchange.tried import Tried
from switchwise.nouns.fast_dataclass import dataclass, maker
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.nouns.scope import Key, Scope
from switchwise.nouns.signals import Signals

_NOTHING: frozenset[str] = frozenset()
_NO_CONVERSATION = Conversation()


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request needs from a target.

    Parameters:
        tools: tool calls.
        structured_output: an answer that follows a schema.
        modalities: content other than text: `image`, `audio`, `document`, `video`.
        max_output: requested limit of output tokens; None if there is none.
        providers: the only providers that can serve it (server-side tools, provider files); empty: any.
        tier: requested service tier, by the provider's name; empty if there is none.
    """

    tools: bool = False
    structured_output: bool = False
    modalities: frozenset[str] = _NOTHING
    max_output: int | None = None
    providers: frozenset[str] = _NOTHING
    tier: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One request as policies see it. An adapter fills in the first part, the router and the engine the second.

    Parameters:
        scope: where in the work the call is made.
        tokens: estimated length of the prompt, in tokens.
        needs: required capabilities.
        signals: read from the conversation.
        pin: the target (or role) that the caller named for this call; empty if there is none.
        now: the router's clock when the step began, in seconds.
        seed: 64 random bits of this step; policies draw from them, so a retry makes the same draws.
        attempts: earlier attempts at this request, in order.
        prefix: the prompt's blocks, to estimate what is cached where; None if not tracked.
        conversation: neutral turns, converted when they are read. A policy may read it but never keep its text.
        thread: id of the conversation within this process; empty if not tracked.
        named: which of `session`, `agent`, `task` and `target` the caller named. The others are derived: the session from the first
            messages, the task from its phase.
        pin_inherited: the pin was given to an enclosing run, not to the call itself: it may be meant for another pool.
        tools: names of the bound tools; `switchwise.reading.tool_kinds` classifies them.
        streamed: the answer is streamed, so the time to its first token counts.
        recording: the request as a response cache sees it; None without a cache.
    """

    scope: Scope = Scope()
    tokens: int = 0
    needs: Needs = Needs()
    signals: Signals = Signals()
    pin: str = ""
    now: float = 0.0
    seed: int = 0
    attempts: tuple[Tried, ...] = ()
    prefix: PromptPrefix | None = field(default=None, compare=False)
    conversation: Conversation = field(default=_NO_CONVERSATION, compare=False)
    thread: Key = ()
    named: frozenset[str] = _NOTHING
    pin_inherited: bool = False
    tools: tuple[str, ...] = ()
    streamed: bool = False
    recording: Recording | None = field(default=None, compare=False)

    @property
    def decision(self) -> str:
        """The decision id, used in records and for feedback."""
        return f"{self.seed:016x}"

    @property
    def last_user(self) -> str:
        """Text of the last user turn; empty if there is none."""
        return self.conversation.last_user

    def after(self, attempts: tuple[Tried, ...], now: float) -> View:
        """Return this view after these attempts."""
        return self.begun(now, self.seed, attempts)

    def begun(self, now: float, seed: int, attempts: tuple[Tried, ...] = ()) -> View:
        """Return this view as of the start of its step, or of a further attempt at it."""
        return _view(
            self.scope,
            self.tokens,
            self.needs,
            self.signals,
            self.pin,
            now,
            seed,
            attempts,
            self.prefix,
            self.conversation,
            self.thread,
            self.named,
            self.pin_inherited,
            self.tools,
            self.streamed,
            self.recording,
        )


_view = maker(View)
