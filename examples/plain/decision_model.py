"""A decision model tells easy requests from hard ones: asked over HTTP, several questions in one call, usable with every adapter."""

from switchwise import Ask, Pool, Question, Router, Shortlist, View
from switchwise.catalog import target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient, OpenAIDecisions
from switchwise.engine.policy import Flow
from switchwise.observe.journal import InMemory, line
from switchwise.policies import Fits, Healthy

model = OpenAIDecisions("gpt-6-luna")
questions = {
    "hard": Question.choice("How hard is it?", {"easy": "One obvious step.", "hard": "Several steps.", "unclear": None}),
    "told": Question.yes_no("Can this be told from the text alone?"),
}


def by_decision(view: View, shortlist: Shortlist) -> Shortlist | Flow[Shortlist]:
    """Two questions about the user's last turn; `switchwise.policies.ByDecision` does this for one, and remembers the answer."""
    return asked(view, shortlist) if len(shortlist.leaders) > 1 else shortlist


def asked(view: View, shortlist: Shortlist) -> Flow[Shortlist]:
    """What the answers say; where one is not known, nobody is preferred."""
    answers = (yield Ask(questions, about=view.last_user, model=model)).answers or {}
    if answers["told"].label is not True or answers["hard"].label != "easy":
        return shortlist.remark("not surely easy")
    return shortlist.prefer(["luna"], f"easy, with a probability of {answers['hard'].probability:.2f}")


journal = InMemory()
pool = Pool(
    [target("opus", provider="anthropic", model="claude-opus-5-5"), target("luna", provider="openai", model="gpt-6-luna")]
)
clients = Clients(
    {"opus": AnthropicClient(model="claude-opus-5-5"), "luna": OpenAIClient(model="gpt-6-luna")},
    Router(pool, Fits(), Healthy(), by_decision, observers=[journal]),
)

if __name__ == "__main__":
    clients.complete([{"role": "user", "content": "What is the capital of Portugal?"}], session="s1")
    for record in journal:
        print(line(record))
