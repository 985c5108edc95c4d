"""Return the stored answer of an earlier call for a request that is equal in everything that determines the answer.

Use it for requests that repeat word for word: evaluations, retries of a whole job, support questions, classification. Not for
conversations whose turns always differ: no answer is ever found. A router has no cache by default.

What must be equal: tenant, model with its own settings, every message, tools and their choice, format, all settings of the call, and the
labels named in `by`. Unknown settings are part of the key too.

Source: RFC 9111 for the rules of a cache; the pitfalls are from issue trackers of gateways (shared tenants, ignored schemas, truncated
answers).
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
from switchwise.response_cache.worth import Varied, is_whole, may_be_kept, may_have_effects
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

VERSION = "1"
"""Version of the key: entries of other versions are not found."""
LABEL = "cache"
"""Label that controls the cache for a call: `off`: do not use it; `refresh`: store the new answer, return no old one."""
_MARKS = 10_000
MOST_TURNS = 3
"""Most messages of a conversation for which similar questions are considered."""


class _Asked(NamedTuple):  # same lifetime as the call
    partition: Key
    words: str
    vector: Any
    near: Candidate | None


class ResponseCache:
    """Store answers by request. A returned answer costs nothing, and policies do not learn from it.

    Parameters:
        ttl: lifetime of an answer in seconds, from its creation; a hit does not renew it.
        size: most answers kept; the least recently used one is evicted first.
        largest: largest stored answer, in bytes of JSON.
        by: labels of the scope that separate answers, such as `user` for personal answers, or the version of a document.
        varied: whether non-deterministic answers are stored: `never`; `unsaid`: unless the call sets a temperature above 0.3 or asks for
            several answers; `always`.
        effects: function of a tool's name that returns whether it has side effects: calls that offer such a tool are not cached. None: by
            the name; a tool has effects unless its name says that it reads, looks up, thinks or computes.
        similar: returns answers to questions with the same meaning, with a bound on wrong ones; None: only for the same request.
        store: where the answers are kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: a parameter is invalid.

    A label `cache` of a call may be `off` or `refresh`.
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
        self._effects = effects or may_have_effects
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
        """Return the stored answer of the first target to this request. The key is kept with the shortlist, for `learn`."""
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
        """The question for look-up by meaning; None if only the same request may match."""
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
        """The answer of the nearest question, if it may be returned and is not audited."""
        near = asked.near
        if near is None or not near.serves or self.similar is None:
            return None
        entry = self.table.get(near.group)
        if entry is None or not self._is_fresh(entry, now) or self.similar.audit(near):
            return None
        return Stored(entry["answer"], "semantic", max(0.0, now - entry["at"]), near.similarity, near.risk)

    def learn(self, attempt: Attempt) -> None:
        """Store the answer of a call that was looked up before; remove an answer that could not be returned."""
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
        """Key of an answer: the tenant, and a digest of everything that determines the answer.

        Parameters:
            tenant: tenant of the answer; tenants share no answers.
            view: the request, for its labels.
            target: target of the answer; one model at two efforts is two targets.
            parts: result of `Recording.parts`.
        """
        digest = blake2b(digest_size=16)
        for part in (VERSION, *self._labels(tenant, view), target.provider, target.model, target.effort, *parts):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "big") + raw)
        return (tenant, digest.hexdigest())

    def invalidate(self, label: str = "", value: str = "", tenant: str = "") -> None:
        """Invalidate the answers stored until now, in constant time: a number in their keys changes.

        Parameters:
            label: one of `by`; empty: all answers of the tenant.
            value: value of that label whose answers are invalidated.
            tenant: tenant of the answers.

        Raises:
            ConfigurationError: `label` is not one of `by`.
        """
        if label and label not in self.by:
            raise ConfigurationError(
                f"invalidate({label!r}): answers are separated by {', '.join(self.by) or 'no label'}; name it in by="
            )
        self._generations.update((tenant, label, value), lambda count: (count or 0) + 1)

    def _labels(self, tenant: str, view: View) -> list[str]:
        """The labels that separate answers, each with its number of invalidations."""
        because = [f"{self._generations.get((tenant, '', '')) or 0}"]
        for label in self.by:
            value = view.scope.label(label)
            because.append(f"{label}={value}#{self._generations.get((tenant, label, value)) or 0}")
        return because

    def _is_fresh(self, entry: Mapping[str, Any], now: float) -> bool:
        return bool(now - entry["at"] <= self.ttl)
