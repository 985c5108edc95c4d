"""A policy that reads what the user asks for: no adapter, no SDK, and nothing of the text is kept."""

from switchwise import Pool, Router, Shortlist, Target, Turn, View
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.testing import check_policy

LOOKS_HARD = ("prove", "refactor", "root cause", "trade-off")


def hard_words_to_the_strong_model(view: View, shortlist: Shortlist) -> Shortlist:
    """Read the user's last turn; prefer the strong model where it names something hard."""
    asked = view.last_user.lower()
    word = next((word for word in LOOKS_HARD if word in asked), None)
    if word is None:
        return shortlist.prefer(shortlist.pool.select("fast"), "nothing hard is asked for")
    return shortlist.prefer(shortlist.pool.select("strong"), f"the user says {word!r}")


if __name__ == "__main__":
    check_policy(lambda: hard_words_to_the_strong_model)
    router = Router(Pool([Target("opus"), Target("haiku")]), hard_words_to_the_strong_model)
    for text in ("What is the capital of Portugal?", "Find the root cause of the crash."):
        print(router.explain(View(conversation=Conversation([Turn("user", text)]))))
