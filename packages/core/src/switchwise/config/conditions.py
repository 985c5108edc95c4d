"""Conditions on a request, written in a file: `when = { agent = "explorer", label = { plan = "gold" } }`.

All fields of a condition must hold. A list means any of its words. Names of agents, sessions, tasks and values of labels may
have `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from switchwise.config.node import Node
from switchwise.config.problems import near
from switchwise.nouns.signals import Phase, StepKind
from switchwise.nouns.target import MODALITIES
from switchwise.nouns.view import View

Test = Callable[[View], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """A predicate of views with a description.

    Parameters:
        tests: all of them must hold.
        text: the same in words.
        bounds: least and most prompt tokens for which it can hold, to find rules that never match.
    """

    tests: tuple[Test, ...]
    text: str
    bounds: tuple[float, float] = (0, float("inf"))

    def __call__(self, view: View) -> bool:
        return all(test(view) for test in self.tests)

    def __str__(self) -> str:
        return self.text


def condition(node: Node) -> Condition:
    """Build the condition of a table.

    Raises:
        Refused: it is not a condition; the problem is recorded.
    """
    fields = node.table(FIELDS, "a condition")
    if not node.value:
        raise node.wrong("an empty condition", f"give one of {', '.join(sorted(FIELDS))}, or leave it out")
    tests, text = [], []
    for name, field in fields.items():
        test, words = FIELDS[name](field)
        tests.append(test)
        text.append(words)
    least = fields["tokens_above"].whole() + 1 if "tokens_above" in fields else 0
    most = fields["tokens_below"].whole() - 1 if "tokens_below" in fields else float("inf")
    if least > most:
        raise node.wrong(
            f"no prompt is above {least - 1} and below {most + 1:g} tokens", "let tokens_above be below tokens_below"
        )
    return Condition(tuple(tests), " and ".join(text), (least, most))


def _like(patterns: list[str], value: str) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _texts(node: Node) -> list[str]:
    texts = node.texts()
    if not texts:
        raise node.wrong("it names nothing", "name one, or leave it out")
    return texts


def _scope(part: str) -> Callable[[Node], tuple[Test, str]]:
    def read(node: Node) -> tuple[Test, str]:
        patterns = _texts(node)
        return lambda view: _like(patterns, getattr(view.scope, part)), f"{part} is {' or '.join(patterns)}"

    return read


def _label(node: Node) -> tuple[Test, str]:
    wanted: dict[str, list[str] | bool] = {}
    for name, value in node.table(None, "label = { name = value }").items():
        wanted[name] = value.value if isinstance(value.value, bool) else _texts(value)
    if not wanted:
        raise node.wrong("no label is named", 'write label = { plan = "gold" }')

    def holds(view: View) -> bool:
        labels: Mapping[str, Any] = view.scope.labels
        return all(
            (name in labels) is value if isinstance(value, bool) else name in labels and _like(value, str(labels[name]))
            for name, value in wanted.items()
        )

    text = [
        f"there is {'a' if value else 'no'} label {name}"
        if isinstance(value, bool)
        else f"label {name} is {' or '.join(value)}"
        for name, value in wanted.items()
    ]
    return holds, " and ".join(text)


def _words(node: Node, known: list[str]) -> list[str]:
    words = _texts(node)
    for word in words:
        if word not in known:
            raise node.wrong(f"{word!r} is unknown", near(word, known))
    return words


def _phase(node: Node) -> tuple[Test, str]:
    words = _words(node, [phase.value for phase in Phase])
    return lambda view: view.signals.phase in words, f"phase is {' or '.join(words)}"


def _step(node: Node) -> tuple[Test, str]:
    words = _words(node, [step.value for step in StepKind])
    return lambda view: view.signals.step in words, f"step is {' or '.join(words)}"


def _modality(node: Node) -> tuple[Test, str]:
    words = frozenset(_words(node, sorted(MODALITIES)))
    return lambda view: not words.isdisjoint(view.needs.modalities), f"there is {' or '.join(sorted(words))}"


def _first(node: Node) -> tuple[Test, str]:
    wanted = node.flag()
    return lambda view: view.signals.first is wanted, f"it is {'' if wanted else 'not '}the first step"


def _failures(node: Node) -> tuple[Test, str]:
    least = node.whole(1)
    return lambda view: view.signals.failures >= least, f"{least} tools in a row failed"


def _above(node: Node) -> tuple[Test, str]:
    length = node.whole()
    return lambda view: view.tokens > length, f"the prompt is above {length:,} tokens"


def _below(node: Node) -> tuple[Test, str]:
    length = node.whole(1)
    return lambda view: view.tokens < length, f"the prompt is below {length:,} tokens"


def _need(name: str) -> Callable[[Node], tuple[Test, str]]:
    def read(node: Node) -> tuple[Test, str]:
        wanted = node.flag()
        return (
            lambda view: getattr(view.needs, name) is wanted,
            f"it {'needs' if wanted else 'does not need'} {name.replace('_', ' ')}",
        )

    return read


def _not(node: Node) -> tuple[Test, str]:
    inner = condition(node)
    return lambda view: not inner(view), f"not ({inner})"


def _any(node: Node) -> tuple[Test, str]:
    inner = [condition(each) for each in node.items()]
    if not inner:
        raise node.wrong("it names nothing", "name one, or leave it out")
    return lambda view: any(each(view) for each in inner), " or ".join(f"({each})" for each in inner)


FIELDS: Mapping[str, Callable[[Node], tuple[Test, str]]] = {
    "agent": _scope("agent"),
    "session": _scope("session"),
    "task": _scope("task"),
    "label": _label,
    "phase": _phase,
    "step": _step,
    "first": _first,
    "failures": _failures,
    "modality": _modality,
    "tools": _need("tools"),
    "structured_output": _need("structured_output"),
    "tokens_above": _above,
    "tokens_below": _below,
    "not": _not,
    "any": _any,
}
