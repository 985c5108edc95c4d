"""Reads conversations incrementally: no message is read twice.

A framework hands over the whole history with every call: the same objects as before, and a few new ones. Per thread the
reader keeps those objects and one record per message; a new call is compared by identity and only its new end is read,
so that the cost does not grow with the conversation.

Rules:
1. Messages are compared by identity. A message that is changed in place is not seen; frameworks replace theirs.
2. Everything derived from a conversation is a fold over its messages, kept after each of them. So where a history was
   edited, cut, compacted or restored, reading resumes at the first difference and gives the same result as reading from the start.
3. `list == list` compares pointers first: 7 us for 10,000 messages that are the same, without a copy, and all that grows
   with them. Where pointers differ it asks the messages' own `==`, which is slow (pydantic compares field by field). So
   the ends are compared by identity before: what was added, dropped or replaced at the end never gets there. A history
   whose ends agree but whose middle was replaced pays for one such comparison; messages that are equal must say the same.
4. Three things that programs do at every call stay cheap: adding messages, rewriting the first system message, and
   putting a passing reminder at the end.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from operator import attrgetter
from typing import Final, Generic, NamedTuple, TypeVar

from switchwise.nouns.prompt_prefix import APPEND, SYSTEM, TOOLS, Block, PromptPrefix
from switchwise.nouns.signals import Signals, Turn
from switchwise.reading import token_estimate as tokens
from switchwise.reading.message_signals import MessageSignals, read_message
from switchwise.reading.phases import START, PhaseState, advance, signals
from switchwise.state.forking import lock

M = TypeVar("M")

Front = tuple[int, int]
"""What stands before the messages: a digest (0: nothing does), and its estimated tokens."""
NO_FRONT: Final[Front] = (0, 0)
_NOTHING: Final[frozenset[str]] = frozenset()
_UNKNOWN: Final[Front] = (-1, -1)  # no digest is -1
_content: Final = attrgetter(*[each.name for each in fields(Turn)])  # of a turn; `hash(turn)` would call it from Python


@dataclass(slots=True)  # not frozen: each is made for one caller, and freezing takes longer than all the rest of it
class Reading:
    """Everything read from a conversation, up to its last message.

    Parameters:
        tokens: estimated length of its messages and of what stands before them, in tokens; calibration comes on top.
        signals: phase and step.
        modalities: content other than text.
        length: how many messages it has.
        last_user: index of the last message that says what the user wants; -1: there is none.
        prefix: the same conversation as a prefix of blocks, which keeps growing: used to estimate what is cached.
    """

    tokens: int = 0
    signals: Signals = Signals()
    modalities: frozenset[str] = _NOTHING
    length: int = 0
    last_user: int = -1
    prefix: PromptPrefix | None = field(default=None, compare=False)


# Properties of a single message: digest, tokens, signals, media, as in `Line`.
_Own = tuple[int, int, MessageSignals, frozenset[str]]


class Line(NamedTuple):
    """The record of one message: its own properties, and the state of the conversation up to it.

    Parameters:
        digest: equal for equal content in another object; valid in this process only.
        tokens, signals, media: of this message.
        total, progress, modalities, last_user: of the conversation up to and with it. A system message that stands first is left out
            of them: many programs rewrite it for every call, which must not invalidate the later records.
    """

    digest: int
    tokens: int
    signals: MessageSignals
    media: frozenset[str]
    total: int = 0
    progress: PhaseState = START
    modalities: frozenset[str] = _NOTHING
    last_user: int = -1


_line = partial(tuple.__new__, Line)  # half the time of its constructor
_BEFORE: Final = Line(0, 0, MessageSignals(""), _NOTHING)


def _own(turn: Turn, digest: int) -> _Own:
    return digest, tokens.of(turn), read_message(turn), frozenset(turn.media) if turn.media else _NOTHING


def _after(before: Line, own: _Own, at: int) -> Line:
    """The record of the message at index `at`, which stands after another one, or first after `_BEFORE`."""
    digest, length, signals, media = own
    role = signals.role
    if before is _BEFORE and role == "system":
        return Line(digest, length, signals, media)
    modalities = before.modalities | media if media else before.modalities
    last_user = at if role == "user" else before.last_user
    total, progress = before.total + length, advance(before.progress, signals)
    return _line((digest, length, signals, media, total, progress, modalities, last_user))


class _Thread(Generic[M]):
    """State of one conversation. The two lists are equally long, but for the moment in which they change."""

    __slots__ = ("counted", "front", "lines", "lock", "messages", "prefix", "used")

    def __init__(self) -> None:
        self.lock = lock()
        self.messages: list[M] = []
        self.lines: list[Line] = []
        self.prefix = PromptPrefix()
        self.front = (0, 0)  # digests of what stands before its messages
        self.used = 0.0
        self.counted = 0


class ConversationReader(Generic[M]):
    """The conversations that were read lately. Safe to use from many threads at once.

    Memory: at most `size` conversations and about `messages` messages; a record takes about 0.5 kB, so about 50 MB of
    records by default at the very most. The framework's own message objects are kept alive as long as their records.

    Parameters:
        turn: reads one message of the framework; called once per message object.
        size: how many conversations are kept; the least recently read one is forgotten first.
        messages: how many messages all conversations together may have before the least recently read one is forgotten.
        age: seconds after which a conversation that is not read is forgotten.
        clock: seconds; only differences count.

    >>> threads = ConversationReader[str](lambda text: Turn("user", text))
    >>> threads.read("s1", ["Hello there"]).tokens
    7
    >>> reading = threads.read("s1", ["Hello there", "Goodbye"])
    >>> reading.length, reading.signals.step.value
    (2, 'user_turn')
    """

    def __init__(
        self,
        turn: Callable[[M], Turn],
        size: int = 512,
        messages: int = 100_000,
        age: float = 3_600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turn = turn
        self._clock = clock
        self._size = size
        self._most = messages
        self._age = age
        self._lock = lock()
        self._threads: OrderedDict[Hashable, _Thread[M]] = OrderedDict()
        self._count = 0
        self._aged = 0.0  # until then none is too old

    def read(
        self,
        key: Hashable,
        messages: Sequence[M],
        tools: bool | None = None,
        front: Front = NO_FRONT,
        begun: Sequence[Turn] = (),
    ) -> Reading:
        """Read the conversation `key`, given all its messages so far.

        Parameters:
            key: identifies the conversation, such as (session, agent).
            messages: the whole history; a list is quickest.
            tools: whether the call may use tools; None: not known.
            front: what the provider puts in front of the messages: the tools that are bound, with their settings.
            begun: the first messages as turns, as far as the caller has read them.
        """
        history = messages if isinstance(messages, list) else list(messages)
        thread = self._thread(key, len(history))
        with thread.lock:
            kept, lines, prefix = thread.messages, thread.lines, thread.prefix
            if kept and history and kept[0] is not history[0]:
                self._replace_first(thread, history[0], begun[0] if begun else self._turn(history[0]))
            again = kept and len(kept) == len(history) and kept[-1] is history[-1] and front[0] == thread.front[0]
            if again and prefix.kept == prefix.tokens and kept == history:
                prefix.change = APPEND
            else:
                self._read(thread, history, front, begun)
            first, last = (lines[0], lines[-1]) if lines else (_BEFORE, _BEFORE)
        total, modalities = last.total + front[1], last.modalities
        if first.signals.role == "system":
            total, modalities = total + first.tokens, modalities | first.media
        return Reading(total, signals(last.progress, tools), modalities, len(history), last.last_user, prefix)

    def forget(self, key: Hashable) -> None:
        """Release a conversation and its messages."""
        with self._lock:
            thread = self._threads.pop(key, None)
            if thread is not None:
                self._count -= thread.counted

    def __len__(self) -> int:
        return len(self._threads)

    def _thread(self, key: Hashable, length: int) -> _Thread[M]:
        """The conversation, which will have that many messages now."""
        now = self._clock()
        with self._lock:
            thread = self._threads.get(key)
            if thread is None:
                thread = self._threads[key] = _Thread()
            else:
                self._threads.move_to_end(key)
            thread.used = now
            self._count += length - thread.counted
            thread.counted = length
            if len(self._threads) > self._size or self._count > self._most or now > self._aged:
                self._forget(now)
            return thread

    def _forget(self, now: float) -> None:
        """Forget the least recently read conversations that are too many or too old, never the one that is read now."""
        while len(self._threads) > 1:
            first, oldest = next(iter(self._threads.items()))
            self._aged = oldest.used + self._age
            if len(self._threads) <= self._size and self._count <= self._most and now <= self._aged:
                break
            del self._threads[first]
            self._count -= oldest.counted
        else:
            self._aged = now + self._age

    def _read(self, thread: _Thread[M], messages: list[M], front: Front, begun: Sequence[Turn]) -> None:
        """Read what is new or changed. The caller holds the thread's lock."""
        kept, lines = thread.messages, thread.lines
        shared = _shared(kept, messages)
        new = messages[shared:]
        if new or shared < len(kept):
            gone = lines[shared:]
            read = self._read_on(new, shared, kept[shared:], gone, lines[shared - 1] if shared else _BEFORE, begun)
            kept[shared:] = new  # only now: `turn` may have raised
            lines[shared:] = read
            shared += _equal(gone, read) if gone else 0
        _link(thread, shared, front)

    def _read_on(
        self, new: list[M], start: int, gone: list[M], known: list[Line], before: Line, begun: Sequence[Turn]
    ) -> list[Line]:
        """The records of new messages, the first of which has index `start`. What stood there before, and is known, may stand elsewhere now."""
        replaced: dict[int, Line] = {}
        same: dict[int, Line] = {}
        if gone:
            replaced = {id(message): line for message, line in zip(gone, known, strict=True)}
            same = {line.digest: line for line in known}
        read: list[Line] = []
        for at, message in enumerate(new, start):
            line = replaced.get(id(message)) if gone else None
            if line is None:
                turn = begun[at] if at < len(begun) else self._turn(message)
                digest = hash(_content(turn))
                line = same.get(digest) if gone else None
                own = line[:4] if line is not None else _own(turn, digest)
            else:
                own = line[:4]
            before = _after(before, own, at)
            read.append(before)
        return read

    def _replace_first(self, thread: _Thread[M], message: M, turn: Turn) -> None:
        """Take another object for the first message, where what follows stays as it is."""
        digest = hash(_content(turn))
        first = thread.lines[0]
        if digest == first.digest:
            thread.messages[0] = message
        elif turn.role == "system" == first.signals.role:
            thread.messages[0], thread.lines[0] = message, Line(*_own(turn, digest))
            thread.front = _UNKNOWN


def _link(thread: _Thread[M], shared: int, front: Front) -> None:
    """Let the prefix follow the records, from the first new one on."""
    lines, prefix = thread.lines, thread.prefix
    system = 1 if lines and lines[0].signals.role == "system" else 0
    before = (front[0], lines[0].digest if system else 0)
    if before == thread.front:
        prefix.grow(max(0, shared - system), lines[shared or system :])
        return
    thread.front = before
    ahead = [Block(*front, TOOLS)] if front[0] else []
    if system:
        ahead.append(Block(lines[0].digest, lines[0].tokens, SYSTEM))
    prefix.grow(max(0, shared - system), lines[shared or system :], ahead)


def _equal(old: list[Line], new: list[Line]) -> int:
    """How many records at the beginning have the same content: a checkpointer hands over equal messages in new objects."""
    most = min(len(old), len(new))
    return next((at for at in range(most) if old[at].digest != new[at].digest), most)


def _shared(kept: list[M], messages: list[M]) -> int:
    """How many messages at the beginning are the same objects. `kept` is changed and restored."""
    if not kept or not messages or kept[0] is not messages[0]:
        return 0
    ends = min(len(kept), len(messages))
    while kept[ends - 1] is not messages[ends - 1]:
        ends -= 1
    tail, kept[ends:] = kept[ends:], messages[ends:]  # whole lists of equal length are compared: neither is copied
    try:
        same = kept == messages
    finally:
        kept[ends:] = tail
    if same:
        return ends
    return next(index for index, (old, new) in enumerate(zip(kept, messages, strict=False)) if old is not new)
