"""Follow a decision made before the call: by a node of a graph, or by a gate that rejected earlier work.

Use it first among the policies where a `SwitchwiseNode` or a gate decides; `Router.default` begins with it. It prefers and does
not require: if the chosen target fails, the rest of the pool still answers.

Source: LangGraph's practice of making control flow visible as nodes and state.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View

FOLLOW = "switchwise_follow"
"""The label that names the target or role to follow."""


class Follows:
    """Prefer the target named by the call's label `switchwise_follow`.

    It has no opinion when LangGraph retries a node after an error, so that the chain decides again.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Follows())
    >>> router.decide(View(Scope(labels={"switchwise_follow": "haiku"}))).names
    ('haiku', 'opus')
    """

    name = "Follows"

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        word = view.scope.labels.get(FOLLOW)
        if not word or "rerun" in view.scope.labels:
            return shortlist
        if not shortlist.pool.knows(word):  # it may come from a saved state older than the pool
            return shortlist.remark(f"the decision that was made before is for {word}, which is not in the pool")
        return shortlist.prefer(shortlist.pool.select(word), "the decision that was made before")
