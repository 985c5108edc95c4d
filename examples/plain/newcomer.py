"""A newcomer's trial: four jobs with each aim. Who was called, why, what it cost, and what it risks.

Seven questions, a chat of twelve turns, an agent of nine calls, and a bug fix; the tools' results are played, so that every aim does the same work.
With OPENAI_API_KEY and ANTHROPIC_API_KEY real models answer; without them a local provider does, and nothing is paid.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext

from switchwise.clients import AnthropicClient, Clients, Completion, OpenAIClient
from switchwise_loopback import LoopbackProvider

QUESTIONS = (
    "What is a monad?",
    "Name three uses of beeswax.",
    "How long is a marathon?",
    "Translate 'good morning' into Welsh.",
    "Why is the sky blue?",
    "What does HTTP 418 mean?",
    "Who wrote Emma?",
)
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}},
    }
    for name in ("read_file", "edit_file", "run_tests")
]


def questions(clients: Clients) -> Iterator[Completion]:
    """Each by itself."""
    for question in QUESTIONS:
        yield clients.complete([{"role": "user", "content": question}])


def chat(clients: Clients) -> Iterator[Completion]:
    """One conversation, which grows."""
    messages = []
    for turn in range(12):
        messages.append({"role": "user", "content": f"And what happened in {1900 + turn}?"})
        answer = clients.complete(messages, session="chat")
        messages.append({"role": "assistant", "content": answer.text})
        yield answer


def agent(
    clients: Clients, session: str = "agent", task: str = "Rename `fetch` to `load` in the package."
) -> Iterator[Completion]:
    """Nine calls in a loop with tools."""
    messages = [{"role": "user", "content": task}]
    for step in range(9):
        answer = clients.complete(messages, session=session, agent="coder", tools=TOOLS)
        name, said = ("run_tests", "1 failed: test_load") if step == 5 else ("read_file", f"def load_{step}(): ...\n" * 40)
        call = {"id": f"call_{step}", "type": "function", "function": {"name": name, "arguments": '{"path": "load.py"}'}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})
        yield answer


def bug(clients: Clients) -> Iterator[Completion]:
    """The same loop, on a bug."""
    yield from agent(clients, "bug", "Please fix the crash: KeyError: 'name' in load.py")


def trial() -> dict[tuple[str, str], float]:
    """The dollars of each aim and job; prints the rest."""
    spent = {}
    print(f"{'aim':9} {'job':10} {'dollars':>9}  {'success':>14}  who, and why (of the first call)")
    for aim in ("quality", "balanced", "cost"):
        for job in (questions, chat, agent, bug):
            clients = Clients(
                [
                    AnthropicClient(model="claude-opus-5-5"),
                    OpenAIClient(model="gpt-6.1-sol"),
                    AnthropicClient(model="claude-haiku-5-5"),
                    OpenAIClient(model="gpt-6-luna"),
                ],
                aim=aim,
            )
            answers = list(job(clients))
            spent[aim, job.__name__] = dollars = sum(answer.outcome.cost or 0.0 for answer in answers)
            who = Counter(answer.outcome.target.name for answer in answers)
            first = clients.router.suggest(answers[0].outcome.attempt.call.view, "claude-opus-5-5")
            chance = next(option.chance for option in first.options if option.target == answers[0].outcome.target.name)
            points = round(-(first.loses or 0.0) * 100)  # fewer than with the strongest
            risk = f"{chance:.0%}, {f'{points:+d} points' if points else 'no loss'}" if chance is not None else "not known"
            named = ", ".join(f"{name} {count}" for name, count in who.most_common())
            print(
                f"{aim:9} {job.__name__:10} {dollars:>9.5f}  {risk:>14}  {named}: {answers[0].outcome.attempt.call.shortlist.decider.because}"
            )
    return spent


def use(provider: LoopbackProvider) -> None:
    """Let the clients of both SDKs find the local provider."""
    os.environ.update({"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.anthropic_url})
    os.environ.update({"OPENAI_API_KEY": "local", "ANTHROPIC_API_KEY": "local"})


if __name__ == "__main__":
    missing = sorted({"OPENAI_API_KEY", "ANTHROPIC_API_KEY"} - os.environ.keys())
    with LoopbackProvider() if missing else nullcontext() as local:
        if local is not None:
            print(f"{' and '.join(missing)} not set: a local provider answers, at the prices of the real models\n")
            use(local)
        found = trial()
    for job in ("questions", "chat"):
        saved = 1 - found["balanced", job] / found["quality", job]
        print(f"balanced saves {saved:.0%} of the dollars on the {job}")
        assert saved >= 0.5
