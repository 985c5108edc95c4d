"""A loaded configuration file: targets, and the routers over them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from switchwise.catalog import Catalog
from switchwise.config.document import Document, Refused, find, read
from switchwise.config.lines import Place
from switchwise.config.node import Node, shown
from switchwise.config.problems import BadConfiguration, Problem, near
from switchwise.config.references import Reference, TargetEndpoint, for_each_key, is_address, reference, settled
from switchwise.config.values import SharedState, aim_of, convert, journal_in, made, on_broken_in, shared_state
from switchwise.engine.policy import Caches, Checks, Policy, Verifier
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.nouns.target import Capabilities, Pool, Price, Target
from switchwise.policies.default_chain import default_chain
from switchwise.policies.hold import hold

DEFAULT = "Default"  # stands for the chain of Router.default among the policies
APIS = ("chat", "responses", "messages")
TOP = ("version", "include", "default", "targets", "routers")
OF_TARGET = (
    "provider",
    "model",
    "api",
    "roles",
    "price",
    "can",
    "limits",
    "key",
    "keys",
    "base_url",
    "timeout",
    "settings",
    "effort",
)
OF_ROUTER = ("pool", "policies", "verify", "cache", "journal", "observers", "labels", "store", "on_broken")
_LEVELS, _MEMORY = ("session", "agent", "task"), "hold"


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """One entry of a list of policies.

    Parameters:
        written: the entry as canonical JSON; equal entries are equal in it.
        policies: one policy, or the default chain.
        place: place in the file.
    """

    written: str
    policies: tuple[Policy, ...]
    place: Place

    @property
    def is_default(self) -> bool:
        """Whether it is the default chain."""
        return self.written.strip('{"').startswith(DEFAULT)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A router described in a file.

    Parameters:
        name: name of the router.
        pool: its targets.
        parts: its policies, in order.
        verify, cache: its verifier and response cache.
        observers: its journals, and its other observers.
        labels: labels of its calls; see `Configuration.pick`.
        kept: verifier, cache and observers by their entry, for reuse by a later load.
        store: store shared by several processes; None: one process.
        on_broken: as of `Router`.
    """

    name: str
    pool: Pool
    parts: tuple[PolicyEntry, ...]
    verify: Verifier | None = None
    observers: tuple[Any, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    cache: Caches | None = None
    store: SharedState | None = None
    on_broken: OnBroken = "raise"

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The chain."""
        return tuple(policy for part in self.parts for policy in part.policies)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A loaded configuration.

    Parameters:
        document: the tree, with the place of each field.
        endpoints: target name -> target and how to call it.
        recipes: the routers by name.
        default: name of the default router; empty: there are several and no default.
    """

    document: Document
    endpoints: Mapping[str, TargetEndpoint]
    recipes: Mapping[str, Recipe]
    default: str

    def pick(self, router: str | None = None, labels: Mapping[str, str] | None = None) -> Recipe:
        """A router by its name, by labels, or the default one.

        Parameters:
            router: its name.
            labels: labels of the calls; the first router whose `labels` match is used, else the default one.

        Raises:
            ConfigurationError: the router is unknown, or there is no default.
        """
        if router is not None:
            if router not in self.recipes:
                raise ConfigurationError(f"{self.document.path}: no router is called {router!r}; {near(router, self.recipes)}")
            return self.recipes[router]
        for recipe in self.recipes.values():
            if (
                labels
                and recipe.labels
                and all(
                    name in labels and any(fnmatchcase(str(labels[name]), value) for value in values)
                    for name, values in recipe.labels.items()
                )
            ):
                return recipe
        if not self.default:
            names = ", ".join(self.recipes)
            raise ConfigurationError(
                f"{self.document.path}: it has several routers ({names}); name one, or write default = ..."
            )
        return self.recipes[self.default]


def load(path: str | Path | None = None, catalog: Catalog | None = None, reuse: Recipe | None = None) -> Configuration:
    """Read a configuration.

    Parameters:
        path: see `find`.
        catalog: prices and capabilities; None: the shipped lists.
        reuse: a router of an earlier load, whose policies, verifier and observers are reused, with their state, if their entries are
            equal.

    Raises:
        BadConfiguration: the file is invalid; lists all problems, each with file, line, field and remedy.
    """
    document = read(find(path))
    reader = _Reader(document, catalog or Catalog(), reuse)
    configuration = reader.read()
    document.finish()
    return configuration


class _Reader:
    """One reading of a document."""

    def __init__(self, document: Document, catalog: Catalog, reuse: Recipe | None) -> None:
        self._document = document
        self._catalog = catalog
        self._reuse = reuse

    def read(self) -> Configuration:
        root = Node(self._document, (), self._document.data)
        tables = root.table(TOP)
        if "version" in tables and tables["version"].value != 1:
            tables["version"].wrong(f"{shown(tables['version'].value)} is unknown", "write version = 1")
        if "include" in tables:
            with self._document.collecting():
                tables["include"].texts()
        endpoints: dict[str, TargetEndpoint] = {}
        if "targets" not in tables:
            root.wrong("it has no targets", 'begin with [targets] and a line such as luna = "openai:gpt-6-luna"')
        else:
            with self._document.collecting():
                for name, node in tables["targets"].table().items():
                    with self._document.collecting():
                        try:
                            endpoints |= self._endpoint(name, node)
                        except ConfigurationError as error:
                            message, _, remedy = str(error).partition(": ")
                            raise node.wrong(message, remedy) from None
            if not endpoints and not self._document.problems:
                tables["targets"].wrong("there are no targets", 'add a line such as luna = "openai:gpt-6-luna"')
        if self._document.problems and not endpoints:  # references to targets would give follow-up errors
            self._document.finish()
        recipes: dict[str, Recipe] = {}
        with self._document.collecting():
            given = tables["routers"].table() if "routers" in tables else {"main": Node(self._document, ("routers",), {})}
            if not given:
                raise tables["routers"].wrong("there are no routers", "add [routers.main], or leave routers out")
            for name, node in given.items():
                with self._document.collecting():
                    recipes[name] = self._recipe(name, node, endpoints)
        return Configuration(self._document, endpoints, recipes, self._default(tables, recipes))

    def _default(self, tables: Mapping[str, Node], recipes: Mapping[str, Recipe]) -> str:
        if "default" in tables:
            with self._document.collecting():
                name = tables["default"].text()
                if name not in recipes and not self._document.problems:
                    raise tables["default"].wrong(f"no router is called {name!r}", near(name, recipes))
                return name
        return next(iter(recipes)) if len(recipes) == 1 else ""

    # -- targets

    def _endpoint(self, name: str, node: Node) -> dict[str, TargetEndpoint]:
        if isinstance(node.value, str):
            provider, colon, model = node.text().partition(":")
            if not colon or not provider or not model:
                raise node.wrong(
                    f"{node.value!r} names no model of a provider", 'write "provider:model", such as "openai:gpt-6-luna"'
                )
            return {name: TargetEndpoint(self._target(name, provider, model))}
        fields = node.table(OF_TARGET)

        def text(word: str) -> str:
            return fields[word].text() if word in fields else ""

        provider, model = text("provider"), text("model") or name
        if not provider and ":" in model:
            provider, _, model = model.partition(":")
        if not provider:
            raise node.wrong("it has no provider", 'write provider = "openai", or model = "openai:gpt-6-luna"')
        roles = frozenset(fields["roles"].texts() if "roles" in fields else ())
        nouns = {"price": Price, "can": Capabilities, "limits": Limits}
        given: list[Any] = [convert(fields[word], noun) if word in fields else None for word, noun in nouns.items()]
        api = text("api")
        if api and api not in APIS:
            raise fields["api"].wrong(f"{api!r} is unknown", near(api, APIS))
        url: str | Reference = text("base_url")
        if isinstance(url, str) and url.startswith(("env:", "file:")):
            url = reference(fields["base_url"])
        elif isinstance(url, str) and url and not is_address(url, ("http", "https")):
            raise fields["base_url"].wrong(f"{url!r} is not an address", 'write "https://...", or "env:NAME"')
        endpoint = TargetEndpoint(
            replace(self._target(name, provider, model, roles, given), effort=text("effort")),
            api,
            base_url=url,
            timeout=fields["timeout"].number(0.001) if "timeout" in fields else None,
            settings=settled(fields["settings"]) if "settings" in fields and fields["settings"].table() else {},
        )
        return for_each_key(endpoint, fields)

    def _target(
        self,
        name: str,
        provider: str,
        model: str,
        roles: frozenset[str] = frozenset(),
        given: Sequence[Any] = (None, None, None),
    ) -> Target:
        price, can, limits = given
        known = self._catalog.look_up(provider, model)
        own = {} if can is None else {each.name: getattr(can, each.name) for each in fields(Capabilities)}
        abilities = replace(known.can, **{word: value for word, value in own.items() if value is not None})
        return Target(name, provider, model, known.price if price is None else price, abilities, roles, limits=limits)

    # -- routers

    def _recipe(self, name: str, node: Node, endpoints: Mapping[str, TargetEndpoint]) -> Recipe:
        table = node.table(OF_ROUTER)
        pool = self._pool(table.get("pool"), endpoints)
        kept: dict[str, Any] = {}
        parts: list[PolicyEntry] = []
        if "policies" in table:
            with self._document.collecting():
                before = self._earlier(name, pool)
                for entry in table["policies"].items():
                    with self._document.collecting():
                        parts.append(self._part(entry, pool, before))
        else:
            parts.append(self._part(Node(self._document, node.path, DEFAULT), pool, self._earlier(name, pool)))
        one, observers = dict[str, Any](), list[Any]()
        with self._document.collecting():
            one |= {"on_broken": on_broken_in(table["on_broken"])} if "on_broken" in table else {}
        for word, kind in (("verify", "verifiers"), ("cache", "caches")):
            if word in table:
                with self._document.collecting():
                    one[word] = self._kept(table[word], kind, kept)
                    self._check(one[word], table[word], pool)
        for word in ("journal", "observers"):
            if word in table:
                with self._document.collecting():
                    for entry in [table[word]] if isinstance(table[word].value, str) else table[word].items():
                        with self._document.collecting():
                            observers.append(self._kept(journal_in(entry) if word == "journal" else entry, "observers", kept))
        if "store" in table:
            with self._document.collecting():
                one["store"] = shared_state(table["store"])
        labels: dict[str, tuple[str, ...]] = {}
        if "labels" in table:
            with self._document.collecting():
                labels = {word: tuple(value.texts()) for word, value in table["labels"].table().items()}
        return Recipe(name, pool, tuple(parts), observers=tuple(observers), labels=labels, kept=kept, **one)

    def _pool(self, node: Node | None, endpoints: Mapping[str, TargetEndpoint]) -> Pool:
        if node is None:
            return Pool([endpoint.target for endpoint in endpoints.values()])
        targets: list[Target] = []
        for item in node.items():
            with self._document.collecting():
                name = item.text()
                if name not in endpoints:
                    raise item.wrong(f"no target is called {name!r}", near(name, endpoints))
                if any(target.name == name for target in targets):
                    raise item.wrong(f"{name!r} is named twice", "keep one of them")
                targets += [each.target for each in endpoints.values() if each.target.base == endpoints[name].target.base]
        if targets:
            return Pool(targets)
        raise node.wrong("the pool has no targets", "name them, strongest first")

    def _earlier(self, name: str, pool: Pool) -> dict[str, list[PolicyEntry]]:
        """Parts of the earlier load by their entry; each is reused once."""
        found: dict[str, list[PolicyEntry]] = {}
        if self._reuse is not None and self._reuse.name == name:
            same = [*self._reuse.pool] == [*pool]
            for part in self._reuse.parts:
                if same or not part.is_default:  # the default chain is made for a pool
                    found.setdefault(part.written, []).append(part)
        return found

    def _part(self, node: Node, pool: Pool, before: dict[str, list[PolicyEntry]]) -> PolicyEntry:
        written = json.dumps(node.value, sort_keys=True, default=str)
        if waiting := before.get(written):
            part = replace(waiting.pop(0), place=node.path)
            for policy in part.policies:
                self._check(policy, node, pool)
            return part
        if node.value == DEFAULT or (isinstance(node.value, dict) and node.value.keys() == {DEFAULT}):
            return PolicyEntry(written, default_chain(pool, aim=aim_of(node, DEFAULT)), node.path)
        policy = made(node, "policies", frozenset([_MEMORY]))
        self._check(policy, node, pool)
        if isinstance(node.value, dict) and _MEMORY in node.value:
            level = Node(self._document, (*node.path, _MEMORY), node.value[_MEMORY])
            if level.text() not in _LEVELS:
                raise level.wrong(f"{level.value!r} is not a level", near(level.text(), _LEVELS))
            try:
                policy = hold(policy, per=level.text())
            except ConfigurationError as error:
                message, _, remedy = str(error).partition(": ")
                raise level.wrong(message, remedy or "leave hold out") from None
        return PolicyEntry(written, (policy,), node.path)

    def _check(self, part: object, node: Node, pool: Pool) -> None:
        if isinstance(part, Checks):
            try:
                part.check(pool)
            except ConfigurationError as error:
                message, _, remedy = str(error).partition("; ")
                raise node.wrong(message, remedy or "change it, or the pool") from None

    def _kept(self, node: Node, kind: str, kept: dict[str, Any]) -> Any:
        written = f"{kind} {json.dumps(node.value, sort_keys=True, default=str)}"
        before = self._reuse.kept if self._reuse else {}
        kept[written] = before[written] if written in before else made(node, kind)
        return kept[written]


__all__ = ["BadConfiguration", "Configuration", "PolicyEntry", "Problem", "Recipe", "Refused", "TargetEndpoint", "find", "load"]
