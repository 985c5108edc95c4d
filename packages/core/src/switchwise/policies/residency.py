"""Keep calls in the region of their data.

Use it where targets run in several regions: give each a role for its region (`roles={"eu"}`), and calls a label. It is a hard
restriction, like `AllowList`: judges and decision models, which receive the same data, obey it too. Not for choosing a near
region for speed: see `LowestLatency`.

Source: data residency of the providers' regional endpoints.
"""

from __future__ import annotations

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.view import View


class Residency:
    """Require the region that a label of the call names: only targets with that role may be called.

    Parameters:
        by: name of the label.
        default: the region of calls without the label; empty: any.

    Raises:
        ConfigurationError: `by` or `default` is not a name.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> router = Router(Pool([Target("opus", roles={"us"}), Target("haiku", roles={"eu", "us"})]), Residency())
    >>> router.decide(View(Scope(labels={"region": "eu"}))).names
    ('haiku',)
    """

    name = "Residency"
    requires = True

    def __init__(self, by: str = "region", default: str = "") -> None:
        if not isinstance(by, str) or not by or not isinstance(default, str):
            raise ConfigurationError(
                f"Residency(by={by!r}, default={default!r}): give names, such as by='region', default='eu'"
            )
        self.by = by
        self.default = default

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        region = view.scope.label(self.by) or self.default
        if not region:
            return shortlist

        def inside(target: Target) -> bool:
            return region in target.roles

        return shortlist.require(inside, f"the data must stay in {region}")

    @staticmethod
    def _examples() -> list[Residency]:
        return [Residency(), Residency("user", default="u1")]
