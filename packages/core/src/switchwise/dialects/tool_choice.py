"""Translates tool choices: one vocabulary for all providers, `auto`, `any`, `none`, or the name of a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.dialects.dialect import Dialect
from switchwise.nouns.errors import FailureKind, TargetError

Choice = dict[str, Any] | str | None
WORDS = {"auto": "auto", "any": "any", "required": "any", "none": "none"}


def neutral(choice: Mapping[str, Any] | str | bool | None) -> tuple[Choice, bool]:
    """Return the neutral form of any provider's tool choice.

    Returns:
        The choice (an unknown mapping stays as it is), and whether it forbids parallel calls.

    >>> neutral("required"), neutral({"type": "tool", "name": "search"}), neutral(True)
    (('any', False), ('search', False), ('any', False))
    """
    if choice is None or choice is False or choice == "":
        return None, False
    if choice is True:
        return "any", False
    if isinstance(choice, str):
        return WORDS.get(choice, choice), False
    kind, alone = choice.get("type"), choice.get("disable_parallel_tool_use") is True
    if kind == "function":
        name = (choice.get("function") or choice).get("name")
        return (name, alone) if name else (dict(choice), alone)
    if kind == "tool" and choice.get("name"):
        return choice["name"], alone
    return (WORDS[kind], alone) if kind in WORDS else (dict(choice), alone)


def fitting(choice: Choice, dialect: Dialect, tools: int) -> Choice:
    """Return a neutral choice if the target supports it.

    Parameters:
        choice: `auto`, `any`, `none`, a name, a provider's own mapping, or None.
        dialect: of the target.
        tools: number of tools.

    Raises:
        TargetError: it does not; another target must be tried.
    """
    rules = dialect.tools
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools" and not rules.subset:
        choice = WORDS.get((choice.get("allowed_tools") or choice).get("mode", "auto"))
    if choice == "none" and not rules.none:
        raise TargetError(
            FailureKind.UNSUPPORTED, f"{dialect.title} cannot forbid tool calls: bind no tools, or add a target that can"
        )
    if isinstance(choice, str) and choice not in WORDS and not rules.named and tools > 1:
        raise TargetError(
            FailureKind.UNSUPPORTED,
            f"{dialect.title} cannot force {choice!r} among several tools: bind that tool alone, or add a target that can",
        )
    return choice


def in_chat_words(choice: Choice) -> Any:
    """Return a neutral choice in the form of Chat Completions.

    >>> in_chat_words("any"), in_chat_words("search")
    ('required', {'type': 'function', 'function': {'name': 'search'}})
    """
    if choice is None or isinstance(choice, dict):
        return choice
    words = {"auto": "auto", "any": "required", "none": "none"}
    return words.get(choice) or {"type": "function", "function": {"name": choice}}


def in_messages_words(choice: Choice, parallel: bool | None = None) -> dict[str, Any] | None:
    """Return a neutral choice in the form of Anthropic's Messages API.

    Parameters:
        choice: neutral.
        parallel: False: at most one call per answer.

    >>> in_messages_words("any"), in_messages_words(None, parallel=False)
    ({'type': 'any'}, {'type': 'auto', 'disable_parallel_tool_use': True})
    """
    if isinstance(choice, str):
        choice = {"type": choice} if choice in ("auto", "any", "none") else {"type": "tool", "name": choice}
    if parallel is False and (choice is None or choice.get("type") != "none"):
        return {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return choice
