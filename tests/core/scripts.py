"""Random worlds for the property tests: what each target does at each of its calls, and what a verifier thinks of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from switchwise import Call, FailureKind, Pool, Reply, Router, Target, TargetError, Usage, Verdict, View


class Bug(Exception):
    """What no adapter takes for a provider's failure."""


@dataclass(frozen=True)
class Act:
    """One call of one target: the words it says, then how it ends."""

    words: tuple[str, ...]
    end: FailureKind | type[Bug] | None


@dataclass(frozen=True)
class World:
    acts: dict[str, list[Act]]
    verdicts: dict[str, bool]  # by the text of the reply
    judged: bool

    def router(self, **options: object) -> Router:
        pool = Pool([Target(name, provider=f"p{i % 2}") for i, name in enumerate(self.acts)])
        return Router(pool, verify=self.verify if self.judged else None, **options)  # type: ignore[arg-type]

    def verify(self, view: View, reply: Reply) -> Verdict:
        return Verdict(self.verdicts[reply.text], "scripted", score=len(reply.text) / 100)


class Stage:
    """Performs the calls of one run of a world, sync or async, streamed or not."""

    def __init__(self, world: World, streamed: bool) -> None:
        self.world, self.streamed = world, streamed
        self.calls: list[str] = []

    def perform(self, call: Call) -> Iterator[object]:
        nth = Counter(self.calls)[call.target.name]
        self.calls.append(call.target.name)
        acts = self.world.acts[call.target.name]
        act = acts[nth % len(acts)]
        words = [f"{call.target.name}{nth}:{word}" for word in act.words]
        if self.streamed:
            yield from words
        if act.end is not None:
            raise Bug if act.end is Bug else TargetError(act.end) from ConnectionError("provider")  # type: ignore[arg-type]
        yield Reply("".join(act.words), usage=Usage(10, len(words)), raw=words)

    async def aperform(self, call: Call) -> AsyncIterator[object]:
        for item in self.perform(call):
            yield item


_words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(tuple)
_ends = st.one_of(st.none(), st.none(), st.sampled_from(list(FailureKind)), st.just(Bug))
_acts = st.lists(st.builds(Act, _words, _ends), min_size=1, max_size=2)


@st.composite
def worlds(draw: st.DrawFn, judged: bool | None = None, bugs: bool = True) -> World:
    names = [f"t{i}" for i in range(draw(st.integers(2, 4)))]
    acts = {name: draw(_acts) for name in names}
    if not bugs:
        acts = {name: [Act(a.words, None if a.end is Bug else a.end) for a in those] for name, those in acts.items()}
    texts = {"".join(act.words) for those in acts.values() for act in those}
    verdicts = {text: draw(st.booleans()) for text in sorted(texts)}
    return World(acts, verdicts, draw(st.booleans()) if judged is None else judged)
