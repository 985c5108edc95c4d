"""Validate views and feedback before policies read them."""

from __future__ import annotations

from collections.abc import Mapping

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.scope import Scope
from switchwise.nouns.target import MODALITIES
from switchwise.nouns.validation import whole, words
from switchwise.nouns.view import Needs, View


def refuse_what_is_no_view(view: object) -> None:
    """Validate a view; cheap, because it runs at every step.

    Raises:
        ConfigurationError: the message names the field and the remedy.
    """
    if type(view) is not View and not isinstance(view, View):  # the exact type is asked for first, in half the time
        raise ConfigurationError(f"{view!r:.80} is not a View: write View(tokens=...), with a Scope where sessions matter")
    scope, needs = view.scope, view.needs
    if type(scope) is not Scope and not isinstance(scope, Scope):
        raise ConfigurationError(f"View(scope={scope!r:.80}): give Scope(session=..., agent=...)")
    if type(needs) is not Needs and not isinstance(needs, Needs):
        raise ConfigurationError(f"View(needs={needs!r:.80}): give Needs(tools=True, ...)")
    if not (type(view.tokens) is int or isinstance(view.tokens, int | float)) or view.tokens < 0:
        whole("View", "tokens", view.tokens, least=0)
    if not type(scope.session) is type(scope.agent) is type(scope.task) is type(scope.tenant) is str:
        for name in ("session", "agent", "task", "tenant"):
            if not isinstance(word := getattr(scope, name), str):
                raise ConfigurationError(f"Scope({name}={word!r:.80}): give a text; of a number, str(...)")
    if scope.deadline is not None and not isinstance(scope.deadline, int | float):
        raise ConfigurationError(
            f"Scope(deadline={scope.deadline!r:.80}): give seconds on the router's clock, such as time.time() + 30"
        )
    if scope.limits is not None and not isinstance(scope.limits, Limits):
        raise ConfigurationError(f"Scope(limits={scope.limits!r:.80}): give Limits(first=..., between=..., total=...)")
    if type(scope.labels) is not dict and not isinstance(scope.labels, Mapping):
        raise ConfigurationError(f"Scope(labels={scope.labels!r:.80}): give name -> value, such as {{'user': 'ada'}}")
    if needs.max_output is not None and (not isinstance(needs.max_output, int) or needs.max_output < 1):
        whole("Needs", "max_output", needs.max_output)
    if needs.modalities and not (isinstance(needs.modalities, frozenset) and needs.modalities <= MODALITIES):
        words("Needs", "modalities", needs.modalities, MODALITIES)


def refuse_feedback(decision: object, reward: object, kind: object) -> None:
    """Validate feedback.

    Raises:
        ConfigurationError: the message names the argument and the remedy.
    """
    if not isinstance(decision, str) or not decision:
        raise ConfigurationError(f"feedback({decision!r:.80}): give the id of a decision, or an answer that carries its record")
    if not isinstance(kind, str) or kind not in WEIGHTS:
        raise ConfigurationError(f"feedback(kind={kind!r:.80}): the kinds are {', '.join(WEIGHTS)}")
    if not isinstance(reward, int | float) or not 0 <= reward <= 1:
        raise ConfigurationError(f"reward={reward!r:.80} is out of range: give a number from 0 (bad) to 1 (good)")


def refuse_circuit(name: object) -> None:
    """Validate the name of a circuit."""
    if name is not None and not isinstance(name, str):
        raise ConfigurationError(f"reset({name!r:.80}): give a name that health() shows, or nothing for all")
