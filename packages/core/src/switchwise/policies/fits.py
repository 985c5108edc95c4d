"""Rule out the targets that cannot serve the request.

Use it first in every chain: a call that cannot succeed costs time and, at some providers, money. Not for tasks that a target
can do but does badly: those need a preference.

Source: the providers' documented limits. The default margin covers the error of a calibrated token estimate (4 to 7 % at the
95th percentile); where it is not enough, the provider refuses the call, and `recovery` tries a larger window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import Needs, View

_Gap = tuple[Callable[[Target], bool], str]


class Fits:
    """Require a large enough context window, and tools, structured output, modalities and provider as the request needs them.

    An unknown capability does not rule a target out. Known capabilities and the estimate of the prompt rule out only while some
    target is left: lists of capabilities lag behind the models (OpenAI accepted audio for a model whose profile denies it; a
    beta doubles a window; a tool can stand in for a schema), and if all targets are listed as unable, the provider's answer is
    more reliable. If all windows are too small, the largest is tried. Only a provider that must serve the request, because it
    runs the request's tools, is always required.

    Parameters:
        margin: factor on the estimate of the prompt before it is compared with a window.

    Raises:
        ConfigurationError: the margin is not a number above 0.

    >>> from switchwise import Capabilities, Pool, Router, Target, View
    >>> small, large = Target("small", can=Capabilities(window=8_000)), Target("large", can=Capabilities(window=200_000))
    >>> router = Router(Pool([small, large]), Fits())
    >>> decision = router.decide(View(tokens=7_500))
    >>> decision.names, decision.notes[0].because
    (('large',), 'a prompt of about 8,250 tokens does not fit: small takes 8,000')
    """

    name = "Fits"
    requires = True

    def __init__(self, margin: float = 1.1) -> None:
        number("Fits", "margin", margin, above=True, most=100)
        self.margin = margin
        # As a rule the next call needs the same of the same targets. So it keeps who could all serve the last one, what that
        # needed, and their smallest window; replaced as a whole, and so read without a lock.
        self._last: tuple[tuple[Target, ...], Needs, float] = ((), Needs(), inf)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        prompt = view.tokens * self.margin
        need = prompt + (view.needs.max_output or 0)
        targets, needs, window = self._last
        if targets is not shortlist.targets or (needs is not view.needs and needs != view.needs):
            targets = shortlist.targets
            if homes := view.needs.providers:
                shortlist = shortlist.require(
                    lambda t: t.provider in homes, f"only {' or '.join(sorted(homes))} can serve this request"
                )
            for fits, because in self._gaps(view.needs, shortlist.targets):
                if any(map(fits, shortlist.targets)):
                    shortlist = shortlist.require(fits, because)
            window = min([inf if target.can.window is None else target.can.window for target in shortlist.targets], default=inf)
            if shortlist.targets is targets:
                self._last = (targets, view.needs, window)
        return self._within(need, prompt, shortlist) if need > window else shortlist

    def _within(self, need: float, prompt: float, shortlist: Shortlist) -> Shortlist:
        targets = shortlist.targets

        def because() -> str:
            answer = f" with an answer of up to {need - prompt:,.0f}" if need > prompt else ""
            small = [f"{t.name} takes {t.can.window:,}" for t in targets if t.can.window is not None and t.can.window < need]
            largest = "" if room == need else "; nothing has room for it, so the largest window is tried"
            return f"a prompt of about {prompt:,.0f} tokens{answer} does not fit: {', '.join(small)}{largest}"

        windows = [inf if target.can.window is None else target.can.window for target in targets]
        room = min(need, max(windows))
        return shortlist.require(lambda t: t.can.window is None or t.can.window >= room, because)

    def _gaps(self, needs: Needs, targets: tuple[Target, ...]) -> Iterator[_Gap]:
        if needs.tools:
            yield lambda t: t.can.tools is not False, "it cannot call tools"
        if needs.structured_output:
            yield lambda t: t.can.structured_output is not False, "it cannot be held to a schema"
        if needs.modalities:
            yield lambda t: _reads(t, needs), f"it does not read all of: {', '.join(sorted(needs.modalities))}"
        if needs.max_output is not None:
            longest = needs.max_output
            short = [f"{t.name} gives {t.can.max_output:,}" for t in targets if (t.can.max_output or longest) < longest]
            because = f"an answer of up to {longest:,} tokens is asked for: {', '.join(short)}"
            yield lambda t: t.can.max_output is None or t.can.max_output >= longest, because


def _reads(target: Target, needs: Needs) -> bool:
    return target.can.modalities is None or needs.modalities <= target.can.modalities
