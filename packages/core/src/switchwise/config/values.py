"""Convert values of a file to constructor arguments, by the type of the parameter."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union
from urllib.parse import parse_qs, urlsplit

from switchwise.config.conditions import condition
from switchwise.config.node import Node, shown
from switchwise.config.problems import near
from switchwise.config.references import Reference, is_address, reference
from switchwise.config.registry import REFERENCE, described, found, imported, parameters
from switchwise.engine.policy import Policy, Verifier
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.on_broken import Continue, OnBroken
from switchwise.nouns.view import View
from switchwise.observe.journal.files import SQLITE
from switchwise.policies.default_chain import Aim
from switchwise.policies.rules import Rules
from switchwise.state.opening import opened
from switchwise.state.store import SERVERS

if TYPE_CHECKING:
    from switchwise.state.shared import SharedStore

_PARTS: Mapping[str, str] = {"Estimator": "estimators", "Policy": "policies", "Verifier": "verifiers"}
_VERBS = ("prefer", "require", "exclude")


class Unwritable(Exception):
    """Raised for a type that a file cannot express."""


def aim_of(node: Node, name: str) -> Aim:
    """The aim of the default chain: `"Default"`, `{ Default = "balanced" }` or `{ Default = { aim = "balanced" } }`.

    Parameters:
        node: the field.
        name: of the chain.

    Raises:
        Refused: the aim is unknown; the problem is recorded.
    """
    if not isinstance(node.value, dict):
        return "quality"
    given = node.table()[name]
    if isinstance(given.value, dict):
        fields = given.table(("aim",))
        if not fields:
            return "quality"
        given = fields["aim"]
    word, aims = given.text(), typing.get_args(Aim)
    if word not in aims:
        raise given.wrong(f"aim {word!r} is unknown", near(word, aims))
    return typing.cast("Aim", word)


def on_broken_in(node: Node) -> OnBroken:
    """The value of `on_broken`: `"raise"`, `"restart"`, or `{ continue = "a prompt" }`.

    Raises:
        Refused: it is something else; the problem is noted.
    """
    if isinstance(node.value, dict):
        fields = node.table(("continue",))
        if "continue" not in fields:
            raise node.wrong("it does not say what follows", 'write { continue = "a prompt that asks for the rest" }')
        return Continue(fields["continue"].text())
    word = node.text()
    if word not in ("raise", "restart"):
        raise node.wrong(f"{word!r} is unknown", f'{near(word, ("raise", "restart"))}; or write {{ continue = "a prompt" }}')
    return typing.cast("OnBroken", word)


def journal_in(node: Node) -> Node:
    """The observer of a journal's path.

    Raises:
        Refused: it is not a file; the problem is noted.
    """
    text = node.text()
    if not (suffix := Path(text).suffix):
        raise node.wrong(f"{text!r} is not a file", "write a path such as journal.jsonl; a class belongs into observers")
    return Node(node.document, node.path, {"SqliteJournal" if suffix in SQLITE else "JsonLines": {"path": text}})


def made(node: Node, kind: str, skip: frozenset[str] = frozenset()) -> Any:
    """Build the policy, verifier, estimator or observer of a field: `"Fits"`, or `{ Budget = { usd = 2 } }`.

    Parameters:
        node: the field.
        kind: see `registry`.
        skip: further fields handled by the caller.

    Raises:
        Refused: it cannot be built; the problem is recorded.
    """
    name, arguments = named(node, skip)
    cls = found(arguments if arguments is not None else node, kind, name)
    if cls is Rules:
        return _rules(arguments or node)
    return constructed(arguments if arguments is not None else Node(node.document, node.path, {}), cls, name)


def named(node: Node, skip: frozenset[str] = frozenset()) -> tuple[str, Node | None]:
    """The name in a field `"Name"` or `{ Name = ... }`, and the field below it.

    Raises:
        Refused: it is neither.
    """
    if isinstance(node.value, str):
        return node.text(), None
    fields = {name: field for name, field in node.table(None, "a name, or { Name = { ... } }").items() if name not in skip}
    if len(fields) != 1:
        message = f"names {len(fields)} things: {', '.join(fields)}" if fields else "names nothing"
        raise node.wrong(f"this {message}", "write one { Name = { ... } } for each")
    return next(iter(fields.items()))


def constructed(node: Node, cls: Any, name: str) -> Any:
    """Build an instance from a table of arguments.

    Raises:
        Refused: an argument is unknown, missing or invalid.
    """
    takes = parameters(cls)
    first = next(iter(takes.values()), None)
    keywords = next((hint for hint, each in takes.values() if each.kind is inspect.Parameter.VAR_KEYWORD), None)
    if (
        first and first[1].kind is inspect.Parameter.POSITIONAL_ONLY and keywords is not None
    ):  # ByAgent({...}): names of any form
        fields = node.table(None, "a table of name = target")
        return _called(node, cls, name, ({word: convert(field, keywords) for word, field in fields.items()},), {})
    if isinstance(node.value, list) and first and first[1].kind is inspect.Parameter.VAR_POSITIONAL:  # Shrunk(*parts)
        return _called(node, cls, name, tuple([convert(item, first[0]) for item in node.items()]), {})
    usable = {word: (hint, each) for word, (hint, each) in takes.items() if each.kind not in _OPEN}
    positional = [word for word, (_, each) in usable.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if not isinstance(node.value, dict):  # { Judge = "haiku" }: its first parameter
        if not positional:
            raise node.wrong(f"{shown(node.value)} is not a table", f"write {name} = {{ name = value }}")
        return _called(node, cls, name, (), {positional[0]: convert(node, usable[positional[0]][0])})
    fields = node.table(None if keywords is not None else usable.keys())
    given = {word: convert(field, usable[word][0] if word in usable else keywords) for word, field in fields.items()}
    missing = [w for w, (_, each) in usable.items() if each.default is inspect.Parameter.empty and w not in given]
    if missing:
        message = described(cls).get(missing[0], "")
        raise node.wrong(f"{name} needs {missing[0]}", f"give {missing[0]} = ...{f': {message}' if message else ''}")
    return _called(node, cls, name, (), given)


_OPEN = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _called(node: Node, cls: Any, name: str, positional: tuple[Any, ...], given: dict[str, Any]) -> Any:
    try:
        return cls(*positional, **given)
    except ConfigurationError as error:
        field, message, remedy = _problem_of(error, name, given)
        raise Node(node.document, (*node.path, *field), node.value).wrong(message, remedy) from None
    except (TypeError, ValueError) as error:
        raise node.wrong(
            f"{name} does not take this: {error}", "see `switchwise explain --policies`, or its docstring"
        ) from None
    except Exception as error:  # the class may be the user's own, and raise anything
        raise node.wrong(f"{name} cannot be made: {type(error).__name__}: {error}", "see its docstring") from error


def _problem_of(error: ConfigurationError, name: str, given: Mapping[str, Any]) -> tuple[tuple[str, ...], str, str]:
    """The field, message and remedy of a constructor's error, whose form is `Name(field=value): remedy`."""
    text = str(error).removeprefix(f"{name}: ")
    message, found, remedy = text.partition("; ")
    if not found:
        message, found, remedy = text.partition(": ")
    field = next((word for word in given if f"{word}=" in message), None)
    place = (field,) if field else ()
    return (place, message, remedy) if found else (place, f"{name} cannot be made of this", text)


def convert(node: Node, hint: Any) -> Any:
    """Convert the value of a field to the type of a parameter.

    Raises:
        Refused: it is of another type; the problem is noted.
    """
    options = alternatives(hint)
    if node.value is None and NoneType in options:
        return None
    readers = []
    for option in options:
        try:
            readers.append(_reader(option))
        except Unwritable:
            continue
    if not readers:
        raise node.wrong("this cannot be written in a file", "leave it out, or build the router in Python")
    for fits, read in readers:
        if fits(node.value):
            return read(node)
    return readers[0][1](node)  # its error names the expected form


def alternatives(hint: Any) -> list[Any]:
    """The members of a union, or the type itself."""
    options = list(typing.get_args(hint)) if typing.get_origin(hint) in (Union, UnionType) and hint is not Policy else [hint]
    return sorted(options, key=lambda option: option is str)  # `str | Path` is a path


def part_of(hint: Any) -> str | None:
    """The kind of part of a parameter: `policies`, `verifiers`, `estimators`; None if it is not a part."""
    if hint is Policy or hint is Verifier:
        return "policies" if hint is Policy else "verifiers"
    name = getattr(hint, "__name__", "")
    return next((kind for word, kind in _PARTS.items() if isinstance(hint, type) and name.endswith(word)), None)


Reader = tuple[Callable[[Any], bool], Callable[[Node], Any]]


def _reader(hint: Any) -> Reader:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda _: True, lambda node: node.value
    if part_of(hint):
        kind = part_of(hint) or ""
        return lambda value: isinstance(value, str | dict), lambda node: made(node, kind)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is Literal:
        return lambda value: value in inside, lambda node: _one_of(node, inside)
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {each.value if isinstance(each.value, str) else each.name.lower(): each for each in hint}
        return lambda value: isinstance(value, str) and value in members, lambda node: members[_one_of(node, list(members))]
    if origin in (Callable, typing.get_origin(Callable[[], Any])):
        if inside == ([View], bool):
            return lambda value: isinstance(value, dict) or _refers(value), _test
        return _refers, lambda node: imported(node, node.text())
    if origin in (dict, Mapping, typing.get_origin(Mapping[str, Any])):
        key, each = inside if len(inside) == 2 else (str, Any)
        return lambda value: isinstance(value, dict), lambda node: {
            convert(Node(node.document, field.path, name), key): convert(field, each) for name, field in node.table().items()
        }
    if origin is not None and isinstance(origin, type) and issubclass(origin, typing.Collection):
        each = inside[0] if inside else Any
        make = origin if origin in (tuple, frozenset, set) else list
        return lambda value: isinstance(value, list), lambda node: make([convert(item, each) for item in node.items()])
    if is_dataclass(hint) and isinstance(hint, type):
        cls = hint
        return lambda value: isinstance(value, dict), lambda node: constructed(node, cls, cls.__name__)
    raise Unwritable(str(hint))


def _refers(value: Any) -> bool:
    return isinstance(value, str) and REFERENCE.match(value) is not None


def _path(node: Node) -> Path:
    """A path, relative to the file that names it."""
    return node.beside(node.text())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SIMPLE: Mapping[Any, Reader] = {
    bool: (lambda value: isinstance(value, bool), Node.flag),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), lambda node: node.whole(-(10**18))),
    float: (_is_number, lambda node: node.number(float("-inf"))),
    str: (lambda value: isinstance(value, str), Node.text),
    Path: (lambda value: isinstance(value, str), _path),
}


def _one_of(node: Node, values: typing.Sequence[Any]) -> Any:
    if node.value not in values:
        raise node.wrong(f"{shown(node.value)} is unknown", near(str(node.value), [str(value) for value in values]))
    return node.value


def _test(node: Node) -> Callable[[View], bool]:
    test: Callable[[View], bool] = imported(node, node.text()) if isinstance(node.value, str) else condition(node)
    return test


def _rules(node: Node) -> Rules:
    """`Rules = [ { prefer = "strong", when = { label = { plan = "gold" } }, because = "gold plan" } ]`."""
    rules = Rules()
    for item in [node] if isinstance(node.value, dict) else node.items():
        with node.document.collecting():
            fields = item.table((*_VERBS, "when", "because"), "a rule")
            verbs = [verb for verb in _VERBS if verb in fields]
            if len(verbs) != 1:
                raise item.wrong(
                    f"a rule with {len(verbs)} verbs", "give one of prefer, require, exclude with a target or role"
                )
            test = _test(fields["when"]) if "when" in fields else None
            because = fields["because"].text() if "because" in fields else str(test) if test is not None else ""
            rules = getattr(rules, verbs[0])(fields[verbs[0]].text(), when=test, because=because)
    return rules


@dataclass(frozen=True, slots=True)
class SharedState:
    """A shared store that is opened when a router is built.

    Parameters:
        address: `redis://localhost:6379/0`, the path of a SQLite file, or a reference: `env:NAME`, `file:PATH`.
        prefix, lost, allowance, heartbeat, patience, timeout: as for `switchwise.state.shared.SharedStore`.
    """

    address: str
    prefix: str = "switchwise"
    lost: Literal["closed", "open"] = "closed"
    allowance: float = 0.05
    heartbeat: float = 0.25
    patience: float = 1.0
    timeout: float | None = None

    def open(self) -> SharedStore:
        """Open the store; equal settings give the same store within a process.

        Raises:
            ConfigurationError: the reference cannot be resolved, or the store cannot be opened.
        """
        kind, _, name = self.address.partition(":")
        address = Reference(kind, name).resolve() if kind in ("env", "file") else self.address
        given = asdict(self)
        del given["address"]
        return opened(address, **given)


def shared_state(node: Node) -> SharedState:
    """The value of `store = ...`: an address, or a table with an address.

    Raises:
        Refused: it is neither, or the address has a password in it.
    """
    found: SharedState = convert(node, SharedState)
    at = Node(node.document, (*node.path, "address"), found.address) if isinstance(node.value, dict) else node
    if found.address.startswith(("env:", "file:")):
        return replace(found, address=str(reference(at)))
    if "://" not in found.address:
        return replace(found, address=str(at.beside(found.address)))
    if not is_address(found.address, [server.removesuffix("://") for server in SERVERS]):
        raise at.wrong(
            f"{shown(found.address)} is not an address of a store", 'write "redis://host:6379/0", or the path of a SQLite file'
        )
    parts = urlsplit(found.address)
    if parts.password or "password" in parse_qs(parts.query):  # redis-py reads it there too
        raise at.wrong("there is a password in this address", 'keep it elsewhere and refer to it: "env:NAME_OF_THE_VARIABLE"')
    return found
