"""A policy of your own: a plain function of the view and the shortlist, checked against the contract."""

from switchwise import Pool, Router, Scope, Shortlist, Target, View, hold
from switchwise.testing import check_policy


def long_prompts_to_the_fast_model(view: View, shortlist: Shortlist) -> Shortlist:
    """A long prompt is mostly logs: the fast model will do."""
    if view.tokens < 50_000:
        return shortlist
    return shortlist.prefer(shortlist.pool.select("fast"), f"{view.tokens:,} tokens are mostly logs")


if __name__ == "__main__":
    check_policy(lambda: long_prompts_to_the_fast_model)
    router = Router(Pool([Target("opus"), Target("haiku")]), hold(long_prompts_to_the_fast_model, per="task"))
    print(router.explain(View(Scope("session-1", task="read the logs"), tokens=80_000)))
    print(router.explain(View(Scope("session-1", task="find the cause"), tokens=4_000)))
