"""Run one input at several targets, side by side."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from switchwise import Pool
from switchwise.observe.side_by_side import TASK, Side, SideBySide, side_by_side


def compare(
    model: Runnable[LanguageModelInput, Any],
    pool: Pool,
    input: LanguageModelInput,  # noqa: A002
    targets: Iterable[str] | None,
    *,
    config: RunnableConfig | None = None,
    progress: Callable[[Side], object] | None = None,
    **settings: Any,
) -> SideBySide:
    """Call several targets at once and compare their answers. The calls are billed, and recorded in the journal as a separate
    session.

    Parameters:
        model: the `ChatSwitchwise`.
        pool: pool of its router.
        input: a prompt, as for `invoke`.
        targets: names or roles; None: all.
        config: config of the runs.
        progress: called with each finished answer, such as `print`; None: a progress bar in a terminal or notebook.
        settings: as in `invoke`.
    """
    around = ensure_config(config)
    session = {"thread_id": f"{TASK}-{uuid.uuid4().hex[:8]}", "switchwise_task": TASK}

    def ask(name: str) -> object:
        configurable = {**around.get("configurable", {}), **session, "switchwise_target": name}
        return model.invoke(input, {**around, "configurable": configurable}, **settings)

    return side_by_side(pool, targets, ask, progress)
