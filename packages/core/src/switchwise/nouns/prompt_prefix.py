"""A prompt as a sequence of blocks, each identified by a digest of everything up to and including it.

Providers cache prefixes. Two prompts share a prefix exactly as far as their running digests agree: so one number per block says
what a cache can still be used for. Rules:
1. Blocks stand in render order: tools, system, messages. The digest of a section's first block includes the settings on which the section
   depends.
2. A prefix grows in place: `grow(shared, blocks)` keeps the first `shared` messages and appends the new ones, so a call costs what is new in
   it. A system message that changes at every call costs no more: digests are kept per section, and combined when needed.
3. An earlier state is identified by a number of blocks and the digest there. Digests are valid in one process: strings hash differently in each.

The reader of the conversation writes it under its lock; it is read without one: a reader during a cut gets a digest that
matches nothing.

Memory: 17 bytes for each block; a conversation of 10,000 messages takes about 0.2 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

TOOLS, SYSTEM, MESSAGES = 0, 1, 2
_COMPACTED = 0.7  # a prompt this much shorter than the one before it was compacted, not edited
_MASK = (1 << 63) - 1


class Block(NamedTuple):
    """One block of a prompt.

    Parameters:
        digest: equal for equal content; any 63 bits.
        tokens: estimated length.
        section: `TOOLS`, `SYSTEM` or `MESSAGES`.
        media: it holds content other than text.
    """

    digest: int
    tokens: int
    section: int = MESSAGES
    media: bool = False


class BlockLike(Protocol):
    """What the prefix reads of a block of the messages: a `Block`, or a record that has these among others."""

    @property
    def digest(self) -> int:
        """As of a block."""

    @property
    def tokens(self) -> int:
        """As of a block."""

    @property
    def media(self) -> object:
        """True if it holds content other than text."""


class Change(StrEnum):
    """How a conversation changed between two of its calls."""

    FIRST = "first call"
    APPEND = "append"
    TOOLS = "tool change"
    SYSTEM = "system change"
    SETTINGS = "settings change"
    MEDIA = "media change"
    EDIT = "edit"
    COMPACTION = "compaction"


APPEND = Change.APPEND  # at every call: Python 3.11 takes ten times as long to look a member up in its class


class _Section:
    """The blocks of one section, each identified by a digest of itself and those before it in the section."""

    __slots__ = ("digests", "ends", "media")

    def __init__(self) -> None:
        self.digests = array("q")
        self.ends = array("q")
        self.media = array("b")

    def shared(self, blocks: Sequence[Block]) -> int:
        """Count the leading `blocks` that are unchanged."""
        digest = 0
        for at, block in enumerate(blocks[: len(self.digests)]):
            digest = hash((digest, block.digest)) & _MASK
            if digest != self.digests[at]:
                return at
        return min(len(blocks), len(self.digests))

    def put(self, shared: int, blocks: Iterable[BlockLike]) -> bool:
        """Keep the first `shared` blocks and append; return whether any was dropped or replaced."""
        dropped = shared < len(self.digests)
        if dropped:
            del self.digests[shared:], self.ends[shared:], self.media[shared:]
        digest, end = (self.digests[-1], self.ends[-1]) if shared else (0, 0)
        for block in blocks:
            digest = hash((digest, block.digest)) & _MASK
            end += block.tokens
            self.digests.append(digest)
            self.ends.append(end)
            self.media.append(bool(block.media))
        return dropped

    @property
    def digest(self) -> int:
        return self.digests[-1] if self.digests else 0

    @property
    def tokens(self) -> int:
        return self.ends[-1] if self.ends else 0


class PromptPrefix:
    """The current blocks of one conversation.

    >>> prefix = PromptPrefix()
    >>> prefix.grow(0, [Block(3, 40)], front=[Block(1, 500, TOOLS), Block(2, 300, SYSTEM)])
    <Change.FIRST: 'first call'>
    >>> prefix.grow(1, [Block(4, 60), Block(5, 20)]), len(prefix), prefix.tokens
    (<Change.APPEND: 'append'>, 5, 920)
    >>> prefix.grow(1, [Block(6, 60), Block(5, 20)])
    <Change.EDIT: 'edit'>
    """

    __slots__ = (
        "_bases",
        "_cuts",
        "_sections",
        "change",
        "front",
        "front_digest",
        "front_tokens",
        "generation",
        "kept",
        "length",
        "settings",
        "tokens",
    )

    def __init__(self) -> None:
        self._sections = (_Section(), _Section(), _Section())
        self._bases = (0, 0, 0)
        self._cuts: list[int] = []  # for each change but growth, how many blocks it left unchanged
        self.settings: tuple[int, int, int] = (0, 0, 0)
        self.change: Change | None = None  # result of the last `grow`; None before the first
        self.tokens = 0
        """Estimated length of the whole prompt."""
        self.kept = 0
        """Estimated tokens of it that the last change left unchanged."""
        self.length = 0
        """Number of blocks."""
        self.front = 0
        """Number of blocks before the messages: the part that threads of one agent share."""
        self.front_digest = 0
        """The digest of that part; 0 if it is empty."""
        self.front_tokens = 0
        """Its estimated tokens."""
        self.generation = 0
        """Number of changes other than growth."""

    def update(self, blocks: Sequence[Block], settings: tuple[int, int, int] = (0, 0, 0)) -> Change:
        """Replace the whole prompt, where it is unknown what is new. Reads all blocks: see `grow`."""
        messages = [block for block in blocks if block.section == MESSAGES]
        shared = self._sections[MESSAGES].shared(messages)
        return self.grow(shared, messages[shared:], [block for block in blocks if block.section != MESSAGES], settings)

    def grow(
        self,
        shared: int,
        blocks: Sequence[BlockLike],
        front: Sequence[Block] | None = None,
        settings: tuple[int, int, int] | None = None,
    ) -> Change:
        """Keep the first `shared` blocks of the messages, append `blocks`, and return the kind of change.

        Parameters:
            shared: leading blocks of the messages that are unchanged.
            blocks: those after them.
            front: all blocks of tools and system; None if unchanged.
            settings: digests of the settings on which tools, system and messages depend; None if unchanged.
        """
        tools, system, messages = self._sections
        first = self.change is None
        if front is None and settings is None and shared == len(messages.digests) and not first:
            if blocks:
                messages.put(shared, blocks)
                self.length += len(blocks)
                self.tokens = self.front_tokens + messages.ends[-1]
            self.kept, self.change = self.tokens, APPEND
            return self.change
        cut, change = self.length, APPEND
        lost, before = messages.media[shared:], messages.tokens
        if messages.put(shared, blocks):
            cut, change = self.front + shared, Change.EDIT
            if self.tokens + messages.tokens - before < _COMPACTED * self.tokens:
                change = Change.COMPACTION
            elif any(lost) != any(bool(block.media) for block in blocks):
                change = Change.MEDIA
        if front is not None:
            for section, what in ((SYSTEM, Change.SYSTEM), (TOOLS, Change.TOOLS)):
                wanted = [block for block in front if block.section == section]
                here = self._sections[section]
                same = here.shared(wanted)
                if same < len(here.digests) or same < len(wanted):
                    here.put(same, wanted[same:])
                    cut, change = (same if section == TOOLS else len(tools.digests) + same), what
        if settings is not None and settings != self.settings:
            starts = (0, len(tools.digests), len(tools.digests) + len(system.digests))
            cut = min(cut, next(start for start, new, old in zip(starts, settings, self.settings, strict=True) if new != old))
            change = Change.SETTINGS if change is not Change.TOOLS else change
            self.settings = settings
        base = hash((self.settings[0], TOOLS))
        middle = hash((base, tools.digest, self.settings[1]))
        self._bases = (base, middle, hash((middle, system.digest, self.settings[2])))
        if change is not APPEND and not first:
            self._cuts.append(cut)
            self.generation += 1
        self.front = len(tools.digests) + len(system.digests)
        self.front_digest = self.digest(self.front)
        self.front_tokens = tools.tokens + system.tokens
        self.length = self.front + len(messages.digests)
        self.tokens = self.front_tokens + messages.tokens
        self.kept = self.tokens if first or change is APPEND else self.end(cut)
        self.change = Change.FIRST if first else change
        return self.change

    def __len__(self) -> int:
        return self.length

    def end(self, blocks: int) -> int:
        """Estimated tokens of the first `blocks` blocks."""
        total = 0
        try:
            for section in self._sections:
                here = len(section.ends)
                if blocks <= here:
                    return total + (section.ends[blocks - 1] if blocks else 0)
                total, blocks = total + section.tokens, blocks - here
        except IndexError:  # a concurrent call of the same thread cut it: use its full length
            return self.tokens
        return total

    def digest(self, blocks: int) -> int:
        """Return the digest of the prefix that ends with that block; 0 if there are fewer."""
        section, place = MESSAGES, blocks - self.front - 1
        if place < 0:
            tools = len(self._sections[TOOLS].digests)
            section, place = (TOOLS, blocks - 1) if blocks <= tools else (SYSTEM, blocks - tools - 1)
            if place < 0:
                return 0
        try:
            return hash((self._bases[section], self._sections[section].digests[place])) & _MASK
        except IndexError:  # there are fewer, or a concurrent call of the same thread cut it
            return 0

    def since(self, generation: int) -> int:
        """Return how many leading blocks are unchanged since that generation."""
        return min(self._cuts[generation:], default=self.length)
