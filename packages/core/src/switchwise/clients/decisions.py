"""Decision models: OpenAI's Decisions API, the System One interface, and your own functions.

A decision model is not a chat model: it answers typed questions with probabilities. It is outside the pool and has its own provider name,
so that its failures never rule out a chat model. `ByDecision` asks one; any policy or verifier may.

A call is made once, without retries, and stops after `timeout` seconds: waiting soon costs more than the answer saves. A choice always
picks a label, also for a text that fits none: add one for "none of these". The text is untrusted: do not let an answer raise what a
request may spend or access.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from switchwise.catalog import Catalog
from switchwise.engine.timing.time_limits import CallLimits
from switchwise.failures import target_error
from switchwise.nouns.errors import ConfigurationError, FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.reply import Answer, Reply
from switchwise.nouns.target import Price, Target
from switchwise.nouns.validation import number
from switchwise.protocols import openai_decisions, system_one


class RequestFailed(Exception):
    """Raised if a decision model's API refuses a request; `status_code`, `headers` and `body` are those of its response."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"status {response.status_code}: {response.text[:200]}")
        self.status_code: int = response.status_code
        self.headers = response.headers
        self.response = response
        try:
            self.body: Any = response.json()
        except ValueError:
            self.body = response.text


class DecisionModel(ABC):
    """A decision model behind an HTTP API.

    Parameters:
        model: the provider's name of the model. Pin a version: the answers of an alias change without notice.
        api_key: None: from the environment; empty: none is sent.
        base_url: base URL of the API; None: from the environment, else the provider's.
        timeout: seconds for the whole call.
        price: None: the list price. Under a budget in USD, a model without a price is not asked.
        name: name of its target in records; empty: the model's name and "decisions".
        headers: further headers of each request.

    Raises:
        ConfigurationError: the model or a needed key is missing, or httpx is not installed.
    """

    provider: ClassVar[str]
    path: ClassVar[str]
    environment: ClassVar[str]
    """Prefix of the environment variables of its key and address."""
    home: ClassVar[str]

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 5.0,
        price: Price | None = None,
        name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = type(self).__name__
        if not isinstance(model, str) or not model:
            raise ConfigurationError(f"{kind}(model={model!r}): name the model")
        number(kind, "timeout", timeout, above=True)
        key = os.environ.get(f"{self.environment}_API_KEY", "") if api_key is None else api_key
        base_url = base_url or os.environ.get(f"{self.environment}_BASE_URL")
        if not key and api_key is None and base_url is None:
            raise ConfigurationError(f"{kind}: give api_key=, or set {self.environment}_API_KEY")
        self.model = model
        self.timeout = timeout
        self._url = f"{(base_url or self.home).rstrip('/')}/{self.path}"
        self._headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        self._httpx = _httpx(kind)
        self._client: Any = None
        self._by_loop: dict[Any, Any] = {}
        owner = f"{self.provider}-decisions"
        if price is None:
            known = Catalog()
            price = known.look_up(owner, model).price or known.look_up(self.provider, model).price
        self._target = Target(name or f"{model} decisions", owner, model, price)

    @property
    def target(self) -> Target:
        """Target under which its calls are counted and checked by requirements."""
        return self._target

    def answer(self, ask: Ask, context: Any = None) -> Reply:  # noqa: ARG002  (as in `Model`)
        """Answer all questions of `ask`.

        Raises:
            TargetError: the model failed, or does not support such questions.
        """
        from switchwise.engine.timing.blocking_calls import bounded  # threads: imported only for questions

        body = self.request(ask)
        if self._client is None:
            self._client = self._httpx.Client(timeout=self.timeout)
        post = partial(self._client.post, self._url, json=body, headers=self._headers)
        try:  # the client's own limit is one for each read, so a slow sender would never reach it
            (response,) = bounded(lambda: iter([post()]), CallLimits(None, None, self.timeout, frozenset()))
        except (self._httpx.TimeoutException, TargetError) as error:
            raise self._late from error
        except self._httpx.HTTPError as error:
            raise _failure(error) from error
        return self._read(ask, response)

    async def aanswer(self, ask: Ask, context: Any = None) -> Reply:  # noqa: ARG002
        """As `answer`, asynchronously."""
        body = self.request(ask)
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._here().post(self._url, json=body, headers=self._headers)
        except (self._httpx.TimeoutException, TimeoutError) as error:
            raise self._late from error
        except self._httpx.HTTPError as error:
            raise _failure(error) from error
        return self._read(ask, response)

    @abstractmethod
    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request.

        Raises:
            TargetError: the model does not support such questions.
        """

    @abstractmethod
    def reply(self, ask: Ask, body: Mapping[str, Any]) -> Reply:
        """Convert the body of a response to a reply."""

    @property
    def _late(self) -> TargetError:
        return TargetError(FailureKind.TIMEOUT, f"no answer within {self.timeout:g} s")

    def _read(self, ask: Ask, response: Any) -> Reply:
        if response.status_code >= 400:
            error = RequestFailed(response)
            raise _failure(error) from error
        try:
            body = response.json()
        except ValueError as error:
            raise TargetError(FailureKind.SERVER_ERROR, "the answer is not JSON", billable=True) from error
        if not isinstance(body, Mapping) or "answers" not in body:
            raise TargetError(FailureKind.SERVER_ERROR, "the response has no answers", billable=True)
        return self.reply(ask, body)

    def _here(self) -> Any:
        """The HTTP client of this event loop: a connection belongs to the loop that opened it."""
        loop = asyncio.get_running_loop()
        client = self._by_loop.get(loop)
        if client is None:
            self._by_loop = {other: kept for other, kept in self._by_loop.items() if not other.is_closed()}
            client = self._by_loop[loop] = self._httpx.AsyncClient(timeout=self.timeout)
        return client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} is not pickled: it holds a key; make it in the process that uses it")


class OpenAIDecisions(DecisionModel):
    """A model of OpenAI's Decisions API; see `DecisionModel` for the parameters.

    >>> OpenAIDecisions("gpt-6-luna", api_key="...").target.price.input
    0.1
    """

    provider = "openai"
    path = "decisions"
    environment = "OPENAI"
    home = "https://api.openai.com/v1"

    def request(self, ask: Ask) -> dict[str, Any]:
        return openai_decisions.request(ask, self.model)

    def reply(self, ask: Ask, body: Mapping[str, Any]) -> Reply:
        return openai_decisions.reply(ask, body)


class SystemOne(DecisionModel):
    """A model of the System One interface; see `DecisionModel` for the parameters. For another server than TypeSafe's give `base_url=`."""

    provider = "typesafe"
    path = "systemone"
    environment = "TYPESAFE"
    home = "https://api.typesafe.ai/v1"

    def request(self, ask: Ask) -> dict[str, Any]:
        return system_one.request(ask, self.model)

    def reply(self, ask: Ask, body: Mapping[str, Any]) -> Reply:
        return system_one.reply(ask, body)


class LocalModel:
    """Your own function as a decision model: a classifier, an embedder, a rule.

    Exceptions propagate as bugs: raise `TargetError` if it cannot answer.

    Parameters:
        name: name of its target in records.
        function: receives the `Ask` and returns the answers by name, or a `Reply` with usage. A coroutine function works for asynchronous
            calls only.

    >>> from switchwise import Question
    >>> length = LocalModel("length", lambda ask: {"long": Answer(label=len(ask.about) > 100)})
    >>> length.answer(Ask({"long": Question.yes_no("Is it long?")}, about="No", model=length)).answers["long"].label
    False
    """

    def __init__(
        self, name: str, function: Callable[[Ask], Mapping[str, Answer] | Reply | Awaitable[Mapping[str, Answer] | Reply]]
    ) -> None:
        if not callable(function):
            raise ConfigurationError(f"LocalModel(function={function!r:.80}): give a function of the Ask")
        self._target = Target(name, price=Price(0.0, 0.0))
        self._function = function

    @property
    def target(self) -> Target:
        """Target under which its calls are counted; free."""
        return self._target

    def answer(self, ask: Ask, context: Any = None) -> Reply:  # noqa: ARG002
        """Answer all questions of `ask`."""
        found = self._function(ask)
        if inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            raise ConfigurationError(f"the function of {self._target.name} is asynchronous: use the asynchronous calls")
        return _replied(found)

    async def aanswer(self, ask: Ask, context: Any = None) -> Reply:  # noqa: ARG002
        """As `answer`, asynchronously."""
        found = self._function(ask)
        return _replied(await found if inspect.isawaitable(found) else found)


def _replied(found: Mapping[str, Answer] | Reply) -> Reply:
    return found if isinstance(found, Reply) else Reply(answers=dict(found))


def _failure(error: Exception) -> TargetError:
    """The failure of a request; unknown exceptions count as server failures, since only HTTP happens here."""
    return target_error(error) or TargetError(FailureKind.SERVER_ERROR, f"{type(error).__name__}: {error}")


def _httpx(who: str) -> Any:
    try:
        import httpx
    except ImportError as error:
        raise ConfigurationError(f"{who} needs httpx: pip install httpx, or switchwise[openai] which brings it") from error
    return httpx
