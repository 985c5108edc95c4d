"""Let a decision that was written to a graph's state lead.

Use it first among the policies where a `SwitchwiseNode` decides; `ChatSwitchwise` has it in its own default chain. It prefers
and does not require: where the target that was decided on fails, the rest of the pool still answers.

Source: LangGraph's practice of making control flow visible as nodes and state.
"""

from __future__ import annotations

from switchwise import Shortlist, View

FOLLOW = "switchwise_follow"


class Follows:
    """Prefer the target that the call says to follow.

    It steps aside when LangGraph runs a node again after an error: that is a reason to decide anew.

    >>> from switchwise import Pool, Router, Scope, Target
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Follows())
    >>> router.decide(View(Scope(labels={"switchwise_follow": "haiku"}))).names
    ('haiku', 'opus')
    """

    name = "Follows"

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        word = view.scope.labels.get(FOLLOW)
        if not word or "rerun" in view.scope.labels:
            return shortlist
        return shortlist.prefer(shortlist.pool.select(word), "the decision in the graph's state")
