"""Return the stored answer of an earlier call for a request that is equal in everything that determines the answer.

Use it for requests that come again word for word: evaluations, retries of a whole job, support questions, classification. Not for a conversation
whose turns differ each time: nothing is found then, and each answer is kept for nothing. It is off unless a router is given one.

What must be equal: tenant, model with its own settings, every message, tools and their choice, format, all settings of the call, and the labels
named in `by`. An unknown setting counts, too: nothing is left out of the key because nobody knows it.

Source: RFC 9111 for what a cache may do; the traps are those of issue trackers of gateways (shared tenants, ignored schemas, truncated answers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.recording import Stored
from switchwise.nouns.scope import Key
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.response_cache.similar import Candidate, SimilarAnswers
from switchwise.response_cache.wording import fleeting
from switchwise.response_cache.worth import Varied, acts, is_whole, may_be_kept
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

VERSION = "1"
"""Of the key: entries of another version are not found."""
LABEL = "cache"
"""A call with this label says what the cache is to do: `off`, nothing; `refresh`, keep the new answer, give no old one."""
_MARKS = 10_000
MOST_TURNS = 3
"""Messages of a conversation above which only the same request finds its answer."""


class _Asked(NamedTuple):  # lives as long as its call
    partition: Key
    words: str
    vector: Any
    near: Candidate | None


class ResponseCache:
    """Answers by request. An answer costs nothing when it is given again, and teaches the policies nothing.

    Parameters:
        ttl: seconds after which an answer is no longer given, from when it was made; a hit does not renew it.
        size: how many answers are kept; the least recently used one is evicted first.
        largest: of an answer, in bytes of JSON; a longer one is not kept.
        by: labels of the scope that tell answers apart, such as `user` where answers are personal, or the version of a document.
        varied: whether answers that would differ from call to call are kept: `never`; `unsaid`, unless the call asks for a temperature above
            0.3 or for several answers; `always`.
        effects: whether a tool of that name has effects: a call that offers one is neither kept nor answered. None: by its name; what is not
            known to read, look up, think or compute has.
        similar: gives answers to questions that mean the same, with a bound on wrong ones; None: only the same request finds its answer.
        store: where the answers are kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: one of them is out of range.

    A label `cache` of a call says `off` or `refresh`.
    """

    name = "ResponseCache"

    def __init__(
        self,
        ttl: float = 3_600.0,
        size: int = 1_000,
        largest: int = 65_536,
        by: Sequence[str] = (),
        varied: Varied = "unsaid",
        effects: Callable[[str], bool] | None = None,
        similar: SimilarAnswers | None = None,
        store: Store | None = None,
    ) -> None:
        number("ResponseCache", "ttl", ttl, above=True)
        whole("ResponseCache", "size", size)
        whole("ResponseCache", "largest", largest)
        if isinstance(by, str) or not all(isinstance(label, str) for label in by):
            raise ConfigurationError(f"ResponseCache(by={by!r}): give names of labels, such as ['user']")
        if varied not in ("never", "unsaid", "always"):
            raise ConfigurationError(f"ResponseCache(varied={varied!r}): use 'never', 'unsaid' or 'always'")
        if effects is not None and not callable(effects):
            raise ConfigurationError(f"ResponseCache(effects={effects!r}): give a function of a tool's name")
        self.ttl, self.size, self.largest, self.by, self.varied = ttl, size, largest, tuple(by), varied
        if similar is not None and not isinstance(similar, SimilarAnswers):
            raise ConfigurationError(f"ResponseCache(similar={similar!r:.80}): give SimilarAnswers(bound=0.02, embed=...)")
        self._effects = effects or acts
        self.similar = similar
        self._store = store
        self._use(store or InProcess())

    def use_store(self, store: Store) -> None:
        """Keep the answers in `store`, unless the constructor got a store."""
        if self._store is None:
            self._store = store
            self._use(store)

    def _use(self, store: Store) -> None:
        self.table: Table = store.table(f"{self.name}:answers", self.size)
        self._generations = store.table(f"{self.name}:generations", _MARKS)

    def look_up(self, view: View, shortlist: Shortlist) -> tuple[Shortlist, Stored | None]:
        """The answer of the first target to this request, if it is kept. The shortlist remembers the key, so that `learn` need not make it again."""
        target, recording, wish = shortlist.targets[0], view.recording, view.scope.label(LABEL)
        if recording is None or wish == "off" or not may_be_kept(recording, target, self.varied, self._effects):
            return shortlist, None
        parts = recording.parts(target.name)
        if parts is None:
            return shortlist, None
        key = self.key(view.scope.tenant, view, target, parts)
        entry = None if wish == "refresh" else self.table.get(key)
        if entry is None or not self._is_fresh(entry, view.now):
            asked = self._asked(view, target, parts)
            stored = self._nearest(asked, view.now) if asked is not None and wish != "refresh" else None
            shortlist = shortlist.remember(self, (target.name, key, asked))
            if stored is None:
                return shortlist, None
            because = f"{target.name} gave the answer to a question that means the same (similarity {stored.similarity:.2f})"
            return shortlist.signed_by(self.name).remark(because), stored
        stored = Stored(entry["answer"], "exact", max(0.0, view.now - entry["at"]))
        because = f"{target.name} gave the answer to the same request {stored.age:.0f} s ago"
        return shortlist.remember(self, (target.name, key, None)).signed_by(self.name).remark(because), stored

    def _asked(self, view: View, target: Target, parts: tuple[str, str]) -> _Asked | None:
        """The question as its meaning is looked up; None: only word for word."""
        similar, (rest, words) = self.similar, parts
        if (
            similar is None
            or not words
            or len(words) > similar.longest
            or len(view.conversation) > MOST_TURNS
            or fleeting(words)
        ):
            return None
        partition = self.key(view.scope.tenant, view, target, (rest, ""))
        vector, near = similar.propose(partition, words)
        return _Asked(partition, words, vector, near)

    def _nearest(self, asked: _Asked, now: float) -> Stored | None:
        """The answer of the nearest question, if it may be given and is not to be audited."""
        near = asked.near
        if near is None or not near.serves or self.similar is None:
            return None
        entry = self.table.get(near.group)
        if entry is None or not self._is_fresh(entry, now) or self.similar.audit(near):
            return None
        return Stored(entry["answer"], "semantic", max(0.0, now - entry["at"]), near.similarity, near.risk)

    def learn(self, attempt: Attempt) -> None:
        """Keep the answer of a call that was looked up before; drop one that could not be given again."""
        found = next((value for owner, value in attempt.call.shortlist.memo if owner is self), None)
        if found is None or attempt.call.ask is not None or attempt.call.note:
            return
        name, key, asked = found
        if attempt.call.stored is not None:
            if attempt.error is not None:
                self.table.update(key, lambda _: None)
            return
        recording, reply = attempt.call.view.recording, attempt.reply
        if name != attempt.target.name or recording is None or reply is None or not is_whole(attempt, self._effects):
            return
        answer = recording.keep(reply)
        if answer is not None and len(answer.encode()) <= self.largest:
            before = self.table.get(asked.near.group) if asked is not None and asked.near is not None else None
            self.table.put(key, {"answer": answer, "at": attempt.ended, "text": reply.text})
            if asked is not None and self.similar is not None:
                same = self.similar.same(asked.words, before["text"], reply.text) if before is not None else None
                self.similar.learn(asked.partition, asked.words, asked.vector, key, asked.near, same)

    def key(self, tenant: str, view: View, target: Target, parts: tuple[str, str]) -> Key:
        """Under which an answer is kept: the tenant, and a digest of all that makes the answer.

        Parameters:
            tenant: whose answer it is. Two tenants share none.
            view: the request, for its labels.
            target: whose answer it is: one model at two efforts gives two.
            parts: what `Recording.parts` gave.
        """
        digest = blake2b(digest_size=16)
        for part in (VERSION, *self._labels(tenant, view), target.provider, target.model, target.effort, *parts):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "big") + raw)
        return (tenant, digest.hexdigest())

    def invalidate(self, label: str = "", value: str = "", tenant: str = "") -> None:
        """Give no answer again that was kept until now. It takes the same time however many there are: a number in their keys changes.

        Parameters:
            label: one of `by`; empty: all answers of the tenant.
            value: of that label: only its answers.
            tenant: whose answers.

        Raises:
            ConfigurationError: `label` does not tell answers apart.
        """
        if label and label not in self.by:
            raise ConfigurationError(
                f"invalidate({label!r}): answers are separated by {', '.join(self.by) or 'no label'}; name it in by="
            )
        self._generations.update((tenant, label, value), lambda count: (count or 0) + 1)

    def _labels(self, tenant: str, view: View) -> list[str]:
        """The labels that tell answers apart, each with how often its answers were invalidated."""
        because = [f"{self._generations.get((tenant, '', '')) or 0}"]
        for label in self.by:
            value = view.scope.label(label)
            because.append(f"{label}={value}#{self._generations.get((tenant, label, value)) or 0}")
        return because

    def _is_fresh(self, entry: Mapping[str, Any], now: float) -> bool:
        return bool(now - entry["at"] <= self.ttl)
