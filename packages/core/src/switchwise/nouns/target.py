"""Targets, their prices and capabilities, and the pool of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.usage import Usage
from switchwise.nouns.validation import Selections, flag, number, whole, words

PER_MILLION = 1e-6
DAY = 86_400
BATCH = "batch"
"""The tier of requests that may wait: what asks for it is never served by the usual one."""
MODALITIES = frozenset(["audio", "document", "image", "video"])


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the day with its own price (DeepSeek's off-peak hours).

    Parameters:
        start, end: seconds of the UTC day, from `start` up to but not including `end`.
        price: the price then.
    """

    start: int
    end: int
    price: Price

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            number("Hours", name, getattr(self, name), most=DAY)
        if not isinstance(self.price, Price):
            raise ConfigurationError(f"Hours(price={self.price!r:.80}): give Price(input=..., output=...)")


@dataclass(frozen=True, slots=True)
class Price:
    """List price in USD per million tokens.

    Parameters:
        input, output: uncached prompt and answer.
        cache_read, cache_write, cache_write_1h: None if the provider lists none; the input price applies then.
        above: prompt length in tokens above which `long` is the price of the whole call.
        long: price of a longer prompt; it may itself have a `long` price.
        hours: cheaper parts of the day. The price itself is the highest of the day, so code that ignores the hour never counts too little.
        tiers: price per service tier, by the provider's name (`flex`, `priority`, `batch`); an unlisted tier pays this price.
        per_month: USD of a subscription or commitment, paid whatever is called. No single call carries a part of it.

    Raises:
        ConfigurationError: a price is negative or not a number, or only one of `above` and `long` is given.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    above: int | None = None
    long: Price | None = None
    hours: tuple[Hours, ...] = ()
    tiers: Mapping[str, Price] = field(default_factory=dict, hash=False)
    per_month: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h"):
            value = getattr(self, name)
            if value is not None or name in ("input", "output"):
                number("Price", name, value, most=1e9)
        if (self.above is None) is not (self.long is None):
            raise ConfigurationError("Price: above= is a length from which on long= is the price; give both or neither")
        if self.above is not None:
            whole("Price", "above", self.above)
        if self.long is not None and not isinstance(self.long, Price):
            raise ConfigurationError(f"Price(long={self.long!r:.80}): give Price(input=..., output=...)")
        if not isinstance(self.hours, tuple) or not all(isinstance(part, Hours) for part in self.hours):
            raise ConfigurationError(f"Price(hours={self.hours!r:.80}): give a tuple of Hours(start, end, price)")
        number("Price", "per_month", self.per_month, most=1e12)

    @classmethod
    def flat(cls, per_month: float = 0.0) -> Price:
        """Return the price of a subscription, of capacity that is committed to, or of a server of your own: a further call costs nothing.

        Parameters:
            per_month: USD; 0 if not counted.

        >>> Price.flat(per_month=200).cost(Usage(1_000_000, 10_000))
        0.0
        """
        return cls(0.0, 0.0, per_month=per_month)

    def at(self, now: float, tier: str = "") -> Price:
        """Return the price at a time.

        Parameters:
            now: seconds since the epoch.
            tier: the service tier; the usual price counts where it is not among `tiers`.

        >>> Price(1.32, 3.96, hours=(Hours(0, 3600, Price(0.66, 1.98)),)).at(now=1800).input
        0.66
        >>> Price(4, 20, tiers={"batch": Price(2, 10)}).at(now=0, tier="batch").output
        10
        """
        if tier and tier in self.tiers:
            return self.tiers[tier]
        if not self.hours:
            return self
        second = now % DAY
        return next((part.price for part in self.hours if part.start <= second < part.end), self)

    def tier(self, input_tokens: int) -> Price:
        """Return the price for a prompt of that length."""
        return self.long.tier(input_tokens) if self.long and self.above and input_tokens > self.above else self

    def cost(self, usage: Usage, now: float | None = None) -> float:
        """Return USD for one call: the charge that the provider reports, else by the tier that served it.

        `now`: when it began, in seconds since the epoch; None: the hour does not count.

        >>> Price(input=2, output=10, cache_read=0.2).cost(Usage(1_000_000, 100_000, cache_read_tokens=500_000))
        2.1
        """
        if usage.cost is not None:
            return usage.cost
        price = self if now is None or not self.hours else self.at(now)
        price = price.tiers.get(usage.tier, price) if usage.tier else price
        price = price.tier(usage.input_tokens) if price.long else price
        read, write, write_1h = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0, usage.cache_write_1h_tokens or 0
        plain = price.input
        total = (usage.input_tokens - read - write - write_1h) * plain + usage.output_tokens * price.output
        if read:
            total += read * (plain if price.cache_read is None else price.cache_read)
        if write:
            total += write * (plain if price.cache_write is None else price.cache_write)
        if write_1h:
            total += write_1h * next(each for each in (price.cache_write_1h, price.cache_write, plain) if each is not None)
        return total * PER_MILLION

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """Return the highest possible USD for a call: the whole prompt uncached, or written to the cache."""
        dearest = max(self.input, self.cache_write or 0.0, self.cache_write_1h or 0.0)
        return (input_tokens * dearest + output_tokens * self.output) * PER_MILLION

    def estimate(self, input_tokens: int, output_tokens: int) -> float:
        """Return USD for a call with nothing cached."""
        price = self.tier(input_tokens)
        return (input_tokens * price.input + output_tokens * price.output) * PER_MILLION


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Capabilities of a model. None means unknown, and unknown does not rule a target out.

    Parameters:
        window: context window: prompt plus answer, in tokens.
        max_output: maximum output tokens.
        tools: can call tools.
        structured_output: can follow a JSON schema.
        modalities: accepted input other than text: `image`, `audio`, `document`, `video`.
        reasoning: thinks before answering.
        sampling: accepts the caller's `temperature` and `top_p`.
        marks_end: False: its server ends streams without a marker, so a truncated stream looks complete.

    Raises:
        ConfigurationError: a length is not a positive number, or a modality is unknown.
    """

    window: int | None = None
    max_output: int | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    modalities: frozenset[str] | None = None
    reasoning: bool | None = None
    sampling: bool | None = None
    marks_end: bool | None = None

    def __post_init__(self) -> None:
        for name in ("window", "max_output"):
            if (value := getattr(self, name)) is not None:
                whole("Capabilities", name, value)
        for name in ("tools", "structured_output", "reasoning", "sampling", "marks_end"):
            if (value := getattr(self, name)) is not None:
                flag("Capabilities", name, value)
        if self.modalities is not None:
            object.__setattr__(self, "modalities", words("Capabilities", "modalities", self.modalities, MODALITIES))


@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings that the client of a target sends by default.

    Parameters:
        max_output: limit of output tokens; None if it sends none.
        thinking: thinking budget in tokens, in addition to a lower output limit.
        tier: the service tier.
    """

    max_output: int | None = None
    thinking: int = 0
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One callable thing: a model behind an account at a provider.

    Parameters:
        name: used in rules, pins, records and messages; unique in its pool.
        provider: the provider that serves it (`openai`, `anthropic`).
        model: the provider's model id.
        price: None if unknown; allowed, unless a budget or an order by price needs it.
        can: its capabilities.
        roles: words that rules may use instead of the name.
        account: `host#digest` of its address and key, as `switchwise.catalog.account_of` returns it (the adapters set it); never the key.
            A wrong key or an empty account affects only its own targets. Empty if unknown: the provider then stands for it.
        effort: reasoning effort of every call, in the provider's word (`low`, `high`); one model at two efforts is two
            targets. Empty: the model's own setting.
        limits: time limits of a call; None: only the client's own timeout.
        defaults: settings that its client sends by default; set by the adapters.
        key_of: the target of which this is a further key; empty: it is no further key. Rules that name that target mean all of its keys.

    Raises:
        ConfigurationError: it has no name, or a field has the wrong type.
    """

    name: str
    provider: str = ""
    model: str = ""
    price: Price | None = None
    can: Capabilities = field(default_factory=Capabilities)
    roles: frozenset[str] = frozenset()
    account: str = ""
    effort: str = ""
    limits: Limits | None = None
    defaults: Defaults = Defaults()
    key_of: str = ""
    payer: str = field(init=False, repr=False, compare=False)
    """Provider and account, as far as known: the one that is billed. Empty if neither is known.

    >>> Target("a", "groq", account="api.groq.com#7858d77c").payer, Target("b", "openai").payer
    ('groq api.groq.com#7858d77c', 'openai')
    """

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigurationError(f"Target({self.name!r}): give it a name")
        for name in ("provider", "model", "account", "effort", "key_of"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigurationError(f"Target({self.name!r}, {name}={value!r}): give a word, or leave it out if unknown")
        if self.price is not None and not isinstance(self.price, Price):
            raise ConfigurationError(f"Target({self.name!r}, price={self.price!r}): give Price(input=..., output=...)")
        if not isinstance(self.can, Capabilities):
            raise ConfigurationError(f"Target({self.name!r}, can={self.can!r}): give Capabilities(...)")
        if self.limits is not None and not isinstance(self.limits, Limits):
            raise ConfigurationError(f"Target({self.name!r}, limits={self.limits!r}): give Limits(first=..., total=...)")
        object.__setattr__(self, "roles", words(f"Target {self.name!r}: ", "roles", self.roles))
        object.__setattr__(self, "payer", f"{self.provider} {self.account}".strip())

    def price_at(self, now: float, tier: str = "") -> Price | None:
        """Return the list price of a call; None if unknown.

        Parameters:
            now: when it begins, in seconds since the epoch.
            tier: the service tier that the caller asks for; else the client's own counts.

        >>> Target("a", price=Price(4, 20, tiers={"flex": Price(2, 10)}), defaults=Defaults(tier="flex")).price_at(0).input
        2
        """
        return self.price and self.price.at(now, tier or self.defaults.tier)

    @property
    def base(self) -> str:
        """Name of the target that all keys of this model are."""
        return self.key_of or self.name

    def is_key_of(self, first: Target | None) -> bool:
        """Return whether this may be a further key of `first`: one model at one provider and effort."""
        mine = self.provider, self.model, self.effort
        return first is not None and not first.key_of and mine == (first.provider, first.model, first.effort)

    def served_with(self, other: Target) -> bool:
        """Return whether both use the same server: one provider, and one host where both accounts are known.

        >>> groq, own = Target("a", "openai", account="api.groq.com#1f"), Target("b", "openai", account="127.0.0.1:8000#2e")
        >>> groq.served_with(own), groq.served_with(Target("c", "openai"))
        (False, True)
        """
        if self.account and other.account and self.account.partition("#")[0] != other.account.partition("#")[0]:
            return False
        return self.provider == other.provider


class Pool:
    """The targets of a router, strongest first.

    A rule names a target by its name or by a role. Two roles always exist: `strong` is the first target of the
    pool and `fast` the last, unless targets define those roles themselves.

    Parameters:
        targets: at least one, with distinct names, strongest first.
        asked: targets that only answer questions of policies and verifiers (a judge, a classifier), never a caller's request. Rules may
            name them: a requirement that rules one out applies to its questions.

    Raises:
        ConfigurationError: no target, an object that is not a target, a duplicate name, or a further key of another model.

    >>> pool = Pool([Target("opus"), Target("haiku")], asked=[Target("judge")])
    >>> sorted(pool.select("fast")), sorted(pool.select("judge")), [target.name for target in pool]
    (['haiku'], ['judge'], ['opus', 'haiku'])
    """

    __slots__ = ("_named", "asked", "rotating", "selections", "targets")

    def __init__(self, targets: Iterable[Target], asked: Iterable[Target] = ()) -> None:
        given: list[object] = [*targets] if isinstance(targets, Iterable) and not isinstance(targets, str) else [None]
        if not all(isinstance(target, Target) for target in given):
            raise ConfigurationError(
                f"Pool({targets!r:.80}): give a list of targets, such as [Target('opus'), Target('haiku')]"
            )
        self.targets = tuple(target for target in given if isinstance(target, Target))
        self.asked = tuple(asked if isinstance(asked, Iterable) else [None])
        if not all(isinstance(target, Target) for target in self.asked):
            raise ConfigurationError(f"Pool(asked={asked!r:.80}): give a list of targets, such as [Target('judge')]")
        known = (*self.targets, *self.asked)
        self._named = {target.name: target for target in known}
        if not self.targets:
            raise ConfigurationError("the pool is empty: give at least one target")
        if len(self._named) < len(known):
            names = [target.name for target in known]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigurationError(f"duplicate target name {', '.join(map(repr, twice))}: give each target a name of its own")
        self.selections = Selections({name: frozenset([name]) for name in self._named})
        for role, example in (("strong", self.targets[0]), ("fast", self.targets[-1])):
            self.selections.setdefault(role, frozenset([example.base]))
        for role in {role for target in known for role in target.roles} - self._named.keys():
            self.selections[role] = frozenset(target.name for target in known if role in target.roles)
        self.rotating = tuple(dict.fromkeys(target.key_of for target in known if target.key_of))
        for target in [each for each in known if each.key_of]:
            if not target.is_key_of(self._named.get(target.key_of)):
                raise ConfigurationError(f"{target.name!r} is not a key of {target.key_of!r}: give one model and effort")
            self.selections |= {
                word: names | {target.name} for word, names in self.selections.items() if target.key_of in names
            }

    def select(self, word: str) -> frozenset[str]:
        """Return the names of the targets that `word`, a name or a role, selects.

        Raises:
            ConfigurationError: no target has that name or role.
        """
        try:
            return self.selections[word]
        except TypeError:  # an unhashable value
            raise self.selections.unknown(word) from None

    def with_asked(self, targets: Iterable[Target]) -> Pool:
        """Return this pool with more targets that only answer questions; known ones are skipped."""
        more = tuple([target for target in dict.fromkeys(targets) if target not in self.asked])
        return Pool(self.targets, (*self.asked, *more)) if more else self

    @property
    def names(self) -> frozenset[str]:
        """Names of all targets, including those that only answer questions."""
        return frozenset(self._named)

    def knows(self, word: object) -> bool:
        """Return whether a target or a role has that name."""
        return isinstance(word, str) and word in self.selections

    def __getitem__(self, name: str) -> Target:
        return self._named[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[Target]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"Pool({', '.join(self._named)})"

    def _repr_html_(self) -> str:
        from switchwise.display.tables import pool_html

        return pool_html(len(self), [*self.targets, *self.asked])
