"""Estimate success by label: a table by agent, phase and task, shrunk towards its parent labels.

Use it wherever outcomes are reported: it is as good as any model of the text, costs 10 us, and reports its evidence. It needs
about a hundred graded calls per kind of work before it changes much. Not for whole agent tasks by repository: no label helps
there.

Source: empirical Bayes; C. N. Morris, "Parametric empirical Bayes inference" (1983). docs/guide/quality.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate, Filed, Grade
from switchwise.quality.learning import Learning, entries
from switchwise.quality.sequential import Cusum
from switchwise.state.store import Store

Label = tuple[str, ...]
Cell = list[float]  # outcomes, solved, squares; outcomes with a cost, dollars; outcomes with a duration, seconds
EMPTY: Cell = [0.0] * 7
PRIOR = 20.0  # most evidence of the given estimate, in outcomes
LEAST, MOST, UNTIL_KNOWN = 5.0, 1e6, 50.0  # bounds of k; its value until two labels have data
RECENT = 1_000  # labels whose last estimates are cached
COST_PRIOR = 5.0  # evidence of the parent's mean cost, in outcomes


def usual_label(view: View) -> Label:
    """Agent, phase, task: from general to special. A task named like the phase is left out.

    >>> usual_label(View())
    ('main',)
    """
    scope, phase = view.scope, view.signals.phase
    label: Label = (scope.agent,) if phase is None else (scope.agent, phase.value)
    return (*label, scope.task) if scope.task and scope.task != phase else label


class LabelTable(Learning):
    """Empirical Bayes over the label of a call: `(n * own mean + k * parent's mean) / (n + k)`, level by level.

    `k` is estimated from the outcomes (method of moments, after removing what all targets share): where labels carry no
    information it grows, and the table falls back to the means over all calls. Those are shrunk towards the given estimates,
    such as `Priors`.

    Parameters:
        label: view -> its label, from general to special; None: agent, phase, task.
        prior: most evidence of the given estimate, in outcomes.
        notices: forget a target's outcomes under a label when its rate there is shown to have dropped.
        size: most labels remembered; the least recently used one is evicted first.
        store: where outcomes are kept; None: in this process.
        name: prefix of its tables in the store.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> from switchwise import Scope, Target, View
    >>> from switchwise.quality import Grade, LabelTable, estimate
    >>> table, view = LabelTable(), View(Scope(agent="reviewer"))
    >>> for solved in [1.0] * 30:
    ...     table.observe(table.filed(view), "haiku", Grade(solved))
    >>> found = estimate(table, view, [Target("haiku"), Target("opus")])
    >>> round(found[0].p, 2), found[0].source, found[1].n
    (0.98, 'reviewer: 30 outcomes', 0.0)
    """

    def __init__(
        self,
        label: Callable[[View], Label] | None = None,
        *,
        prior: float = PRIOR,
        notices: bool = True,
        size: int = 10_000,
        store: Store | None = None,
        name: str = "labels",
    ) -> None:
        super().__init__(store, name)
        if label is not None and not callable(label):
            raise ConfigurationError(
                f"LabelTable(label={label!r}): give a function of the view, such as lambda view: (view.scope.agent,)"
            )
        number("LabelTable", "prior", prior, least=0)
        whole("LabelTable", "size", size)
        self._label = label or usual_label
        self._prior, self._notices = prior, notices
        self._cells = self._keep("_cells", f"quality/{name}/cells", size)  # (tenant, *label) -> target -> cell
        self._alarms = self._keep("_alarms", f"quality/{name}/alarms", size)  # (tenant, *label, target) -> sum and rate
        self._k = UNTIL_KNOWN
        # Label -> targets, cells and estimates of its last call: cells are replaced when they change, so identical cells give the same answer.
        self._last: dict[Label, tuple[Sequence[Target], list[Any], Sequence[Estimate], float, Sequence[Estimate]]] = {}
        self._due, self._learnt = 40, 0

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        label = (view.scope.tenant, *self._label(view))
        rows = [(depth, cells) for depth in range(1, len(label) + 1) if (cells := self._cells.get(label[:depth]))]
        if not rows:
            return given
        last = self._last.get(label)
        if last is not None and last[0] is targets and last[1] == rows and last[2] == given and last[3] == self._k:
            return last[4]
        found = self._estimates(label, rows, targets, given)
        if len(self._last) >= RECENT:
            self._last.clear()
        self._last[label] = (targets, rows, given, self._k, found)
        return found

    def _estimates(
        self, label: Label, rows: list[tuple[int, dict[str, Cell]]], targets: Sequence[Target], given: Sequence[Estimate]
    ) -> Sequence[Estimate]:
        names = [target.name for target in targets]
        ps = [before.p for before in given]
        evidence = [min(before.n, self._prior) or 1.0 for before in given]
        level_is_given = any(before.n for before in given)
        own: list[tuple[int, Cell] | None] = [None] * len(names)
        for i, (depth, cells) in enumerate(rows):
            finer = rows[i + 1][1] if i + 1 < len(rows) else None
            found = []
            for j, name in enumerate(names):
                cell = cells.get(name)
                if cell is None:
                    found.append((0.0, 0.0))
                    continue
                own[j] = (depth, cell)
                below = finer.get(name) if finer else None  # counted there: here only the outcomes of its siblings
                found.append((cell[0], cell[1]) if below is None else (max(cell[0] - below[0], 0.0), cell[1] - below[1]))
            common = 0.0
            if depth < len(label) and level_is_given:  # siblings show which target is better, not how hard this label is
                total = sum([n for n, _ in found])
                common = sum([solved - n * p for (n, solved), p in zip(found, ps, strict=True)]) / total if total else 0.0
            for j, (n, solved) in enumerate(found):
                known = evidence[j]
                weight = self._k * known / (self._k + known) if i else known  # a parent with little evidence counts less than k
                if n > 1e-9:
                    ps[j] = min(max((solved - n * common + weight * ps[j]) / (n + weight), 0.0), 1.0)
                evidence[j] = n + weight
        return [
            self._estimated(before, ps[j], evidence[j], finest, label) if (finest := own[j]) is not None else before
            for j, before in enumerate(given)
        ]

    def _estimated(self, given: Estimate, p: float, known: float, own: tuple[int, Cell], label: Label) -> Estimate:
        depth, cell = own
        dollars, seconds = given.dollars, given.seconds
        _, _, _, priced, spent, timed, took = cell
        here = depth == len(label)  # costs of sibling labels belong to other work: used only without other data
        if priced and (here or dollars is None):
            dollars = spent / priced if dollars is None else (spent + COST_PRIOR * dollars) / (priced + COST_PRIOR)
        if timed and (here or seconds is None):
            seconds = took / timed if seconds is None else (took + COST_PRIOR * seconds) / (timed + COST_PRIOR)
        return Estimate(p, known, dollars, seconds, f"{'/'.join(label[1:depth]) or 'all calls'}: {cell[0]:g} outcomes")

    def filed(self, view: View) -> Filed:
        return [view.scope.tenant, *self._label(view)]

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        label, weight = tuple(filed), grade.weight
        priced, timed = grade.dollars is not None, grade.seconds is not None
        change = [
            weight,
            weight * grade.solved,
            weight * grade.solved**2,
            weight * priced,
            weight * (grade.dollars or 0.0),
            weight * timed,
            weight * (grade.seconds or 0.0),
        ]

        def added(cells: dict[str, Cell] | None) -> dict[str, Cell]:
            cells = dict(cells or {})
            cells[target] = [a + b for a, b in zip(cells.get(target, EMPTY), change, strict=True)]
            return cells

        if self._notices and self._dropped(label, target, grade):
            return
        for depth in range(1, len(label) + 1):
            self._cells.update(label[:depth], added)
        self._learnt += 1
        if self._learnt >= self._due:
            self._due = int(self._learnt * 1.2) + 1
            self._k = pooled_k([(name, cells) for name, cells in self._cells.items() if len(name) == 2])

    def _dropped(self, label: Label, target: str, grade: Grade) -> bool:
        """Return whether the target's rate here has dropped; its outcomes here are then forgotten, in the parents too."""
        own = (self._cells.get(label) or {}).get(target, EMPTY)
        if own[0] < PRIOR:
            return False
        total, rate = self._alarms.get((*label, target)) or (0.0, own[1] / own[0])
        alarm = Cusum(rate)
        alarm.sum = total
        if grade.weight < 0.5 or not alarm.observe(grade.solved):
            self._alarms.put((*label, target), [alarm.sum, rate])
            return False
        self._alarms.put((*label, target), [0.0, max(0.7 * own[1] / own[0], 0.02)])

        def without(cells: dict[str, Cell] | None) -> dict[str, Cell]:
            cells = dict(cells or {})
            cells[target] = [max(a - b, 0.0) for a, b in zip(cells.get(target, EMPTY), own, strict=True)]
            return cells

        for depth in range(1, len(label) + 1):
            self._cells.update(label[:depth], without)
        return True

    def dump(self) -> Mapping[str, Any]:
        """The state as JSON types."""
        return {
            "cells": entries(self._cells),
            "k": self._k,
            "learnt": [self._learnt, self._due],
            "alarms": entries(self._alarms),
            "waiting": self.dump_waiting(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        cells = [
            (tuple(map(str, label)), {str(target): [float(each) for each in cell] for target, cell in row.items()})
            for label, row in state["cells"]
        ]
        if any(len(cell) != len(EMPTY) for _, row in cells for cell in row.values()):
            raise ConfigurationError("LabelTable: the state is of another version; start without it")
        self._k = float(state["k"])
        self._learnt, self._due = (int(each) for each in state["learnt"])
        for key, row in cells:
            self._cells.put(key, row)
        for key, (total, rate) in state["alarms"]:
            self._alarms.put(tuple(map(str, key)), [float(total), float(rate)])
        self.load_waiting(state["waiting"])

    @staticmethod
    def _examples() -> list[LabelTable]:
        return [LabelTable(), LabelTable(lambda view: (view.scope.agent,), notices=False)]


def pooled_k(rows: Sequence[tuple[Label, Mapping[str, Cell]]]) -> float:
    """Weight of a parent's mean, in outcomes: as `switchwise.quality.fitting.shrinkage`, without numpy."""
    totals: dict[str, list[float]] = {}
    within = count = 0.0
    for _, cells in rows:
        for target, cell in cells.items():
            if cell[0] > 0:
                total = totals.setdefault(target, [0.0, 0.0])
                total[0] += cell[0]
                total[1] += cell[1]
                within += cell[2] - cell[1] ** 2 / cell[0]
                count += cell[0]
    used = sum(1 for _, cells in rows for cell in cells.values() if cell[0] > 0)
    if len(rows) < 2 or len(totals) < 1 or count <= used:
        return UNTIL_KNOWN
    variance = within / (count - used)
    share = max(len(totals) - 1, 1) / len(totals)
    between = 0.0
    for _, cells in rows:
        own = {
            target: cell[1] / cell[0] - totals[target][1] / totals[target][0] for target, cell in cells.items() if cell[0] > 0
        }
        common = sum(own.values()) / len(own) if len(totals) > 1 and own else 0.0
        between += sum(cells[target][0] * (value - common) ** 2 for target, value in own.items())
    spread = max(between / count - variance * share * used / count, 1e-9) / share
    return min(max(variance / spread, LEAST), MOST)
