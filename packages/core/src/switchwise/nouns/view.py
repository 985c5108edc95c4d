"""All that a policy may know about a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.recording import Recording
from switchwise.nouns.exchange.tried import Tried
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.nouns.scope import Key, Scope
from switchwise.nouns.signals import Signals

_NOTHING: frozenset[str] = frozenset()
_NO_CONVERSATION = Conversation()


@fast_init
@dataclass(frozen=True, slots=True)
class Needs:
    """What a target must be able to do for this request.

    Parameters:
        tools: it binds tools.
        structured_output: it asks for an answer that follows a schema.
        modalities: what it contains beside text: `image`, `audio`, `document`, `video`.
        max_output: the longest answer it allows, in tokens; None: it does not say.
        providers: the only providers that can serve it (server-side tools, provider files); empty: any.
        tier: the service tier that it asks for, by the provider's name; empty: it does not say.
    """

    tools: bool = False
    structured_output: bool = False
    modalities: frozenset[str] = _NOTHING
    max_output: int | None = None
    providers: frozenset[str] = _NOTHING
    tier: str = ""


@fast_init
@dataclass(frozen=True, slots=True)
class View:
    """One request as policies see it. An adapter builds the first part; the router and the engine fill in the second.

    Parameters:
        scope: where in the work the call is made.
        tokens: estimated length of the prompt, in tokens.
        needs: what a target must be able to do.
        signals: what the conversation says.
        pin: the target (or role) that the caller named for this call; empty: none.
        now: the router's clock when the step began, in seconds.
        seed: 64 random bits of this step; a policy that draws, draws from these, so a retry does not roll again.
        attempts: what was tried for this request so far, in order.
        prefix: the prompt as its thread knows it, to tell what of it is cached where; None: nobody keeps that.
        conversation: what was said, as neutral turns that are read lazily. A policy may read it; it never keeps text of it.
        thread: identifies the conversation among all that this process reads; empty: nobody follows it.
        named: which of `session`, `agent`, `task` and `target` the caller gave by name. The others were derived: the session from how the
            conversation began, the task from its phase.
        pin_inherited: the pin was given to the run around the call, not to the call itself: it may be meant for another pool.
        tools: names of the tools that it binds; see `switchwise.reading.tool_kinds` for what they do.
        streamed: the answer is read as it comes: what counts is the time to its first token, not to its last.
        recording: the request as a response cache sees it; None: the router has none.
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
        """The id by which records and feedback call this step."""
        return f"{self.seed:016x}"

    @property
    def last_user(self) -> str:
        """Text of the user's last turn; empty: there is none."""
        return self.conversation.last_user

    def begun(self, now: float, seed: int) -> View:
        """This view at the moment its step begins."""
        return self._at(now, seed, ())

    def after(self, attempts: tuple[Tried, ...], now: float) -> View:
        """This view after these attempts."""
        return self._at(now, self.seed, attempts)

    def _at(self, now: float, seed: int, attempts: tuple[Tried, ...]) -> View:
        return View(
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
