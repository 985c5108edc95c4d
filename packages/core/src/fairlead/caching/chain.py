"""A prompt as a chain of blocks, each told by a digest of all that stands before and in it.

Providers cache prefixes. Two prompts share a prefix exactly as far as their running digests agree: so one number per block says
what a cache can still be used for. Rules:
1. Blocks stand in render order: tools, system, messages. What each section depends on beside its text (model settings) is part of the
   digest of its first block.
2. A chain grows in place: `grow(shared, blocks)` keeps the first `shared` blocks and appends the new ones, so a call costs what is new in it.
3. An earlier state is told by its `Mark`: a position and the digest there.

Memory: 20 bytes for each block; a conversation of 10,000 messages takes about 0.2 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

TOOLS, SYSTEM, MESSAGES = 0, 1, 2
_COMPACTED = 0.7  # a prompt this much shorter than the one before it was compacted, not edited
_MASK = (1 << 63) - 1


class Block(NamedTuple):
    """One block of a prompt.

    Parameters:
        digest: tells equal content; any 63 bits.
        tokens: estimated length.
        section: `TOOLS`, `SYSTEM` or `MESSAGES`.
        media: it holds something beside text.
    """

    digest: int
    tokens: int
    section: int = MESSAGES
    media: bool = False


class Change(StrEnum):
    """What happened to a conversation between two of its calls."""

    FIRST = "first call"
    APPEND = "append"
    TOOLS = "tool change"
    SYSTEM = "system change"
    SETTINGS = "settings change"
    MEDIA = "media change"
    EDIT = "edit"
    COMPACTION = "compaction"


class Chain:
    """The blocks of one conversation as they are now.

    >>> chain = Chain()
    >>> chain.grow(0, [Block(1, 500, TOOLS), Block(2, 300, SYSTEM), Block(3, 40)])
    <Change.FIRST: 'first call'>
    >>> chain.grow(3, [Block(4, 60), Block(5, 20)]), len(chain), chain.tokens
    (<Change.APPEND: 'append'>, 5, 920)
    >>> chain.grow(3, [Block(6, 60), Block(5, 20)])
    <Change.EDIT: 'edit'>
    """

    __slots__ = ("_cuts", "_digests", "_ends", "_flags", "change", "settings")

    def __init__(self) -> None:
        self._digests = array("q")
        self._ends = array("q")
        self._flags = array("b")
        self.settings: tuple[int, int, int] = (0, 0, 0)
        self.change = Change.FIRST
        self._cuts: list[int] = []  # how many blocks each change but appends left as they were

    def update(self, blocks: Sequence[Block], settings: tuple[int, int, int] = (0, 0, 0)) -> Change:
        """Take over a whole prompt, where nobody knows what in it is new. Reads all blocks: see `grow`."""
        shared, most = 0, min(len(blocks), self.limit(settings))
        digest, section = 0, -1
        for block in blocks[:most]:
            while section < block.section:
                section += 1
                digest = hash((digest, settings[section]))
            digest = hash((digest, block.digest)) & _MASK
            if digest != self._digests[shared]:
                break
            shared += 1
        return self.grow(shared, blocks[shared:], settings)

    def grow(self, shared: int, blocks: Iterable[Block], settings: tuple[int, int, int] = (0, 0, 0)) -> Change:
        """Keep the first `shared` blocks, append `blocks`, and tell what that was.

        Parameters:
            shared: blocks at the beginning that are as they were.
            blocks: those after them.
            settings: digests of what tools, system and messages depend on beside their text. Where one changed, `shared` must
                not reach beyond the section before it (`limit`).
        """
        before, length = self.tokens, len(self._ends)
        shared = min(shared, length, self.limit(settings))
        gone = self._flags[shared:]
        changed = settings != self.settings
        del self._digests[shared:], self._ends[shared:], self._flags[shared:]
        self.settings = settings
        if shared < length:
            self._cuts.append(shared)
        digest = self._digests[-1] if shared else 0
        end = self._ends[-1] if shared else 0
        section = self._flags[-1] >> 1 if shared else -1
        first = MESSAGES
        came = False
        for block in blocks:
            first = min(first, block.section)
            while section < block.section:
                section += 1
                digest = hash((digest, settings[section]))
            digest = hash((digest, block.digest)) & _MASK
            end += block.tokens
            came = came or block.media
            self._digests.append(digest)
            self._ends.append(end)
            self._flags.append(block.section << 1 | block.media)
        self.change = self._told(length, shared, before, gone, first, came, changed)
        return self.change

    def limit(self, settings: tuple[int, int, int]) -> int:
        """How many blocks may be kept under those settings."""
        for section in (TOOLS, SYSTEM, MESSAGES):
            if settings[section] != self.settings[section]:
                return next((i for i, flag in enumerate(self._flags) if flag >> 1 >= section), len(self._flags))
        return len(self._flags)

    def _told(self, length: int, shared: int, before: int, gone: array[int], first: int, came: bool, changed: bool) -> Change:
        if not length:
            return Change.FIRST
        if shared == length:
            return Change.APPEND
        if changed:
            return Change.SETTINGS
        section = min(first, gone[0] >> 1)  # what was changed, or put in between
        if section != MESSAGES:
            return Change.TOOLS if section == TOOLS else Change.SYSTEM
        if self.tokens < _COMPACTED * before:
            return Change.COMPACTION
        return Change.MEDIA if came != any(flag & 1 for flag in gone) else Change.EDIT

    @property
    def tokens(self) -> int:
        """Estimated length of the whole prompt."""
        return self._ends[-1] if self._ends else 0

    def __len__(self) -> int:
        return len(self._ends)

    def end(self, blocks: int) -> int:
        """Estimated tokens of the first `blocks` blocks."""
        return self._ends[blocks - 1] if blocks else 0

    def digest(self, blocks: int) -> int:
        """The running digest after that many blocks; 0: there are not as many."""
        return self._digests[blocks - 1] if 0 < blocks <= len(self._digests) else 0

    @property
    def generation(self) -> int:
        """How often it changed otherwise than by growing."""
        return len(self._cuts)

    def since(self, generation: int) -> int:
        """How many of its blocks are as they were at that generation."""
        return min(self._cuts[generation:], default=len(self._ends))

    def front(self) -> int:
        """How many blocks stand before the messages: what threads of one agent share."""
        low, high = 0, len(self._flags)
        while low < high:  # sections stand in order
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._flags[middle] >> 1 < MESSAGES else (low, middle)
        return low
