"""Estimates of prompt length, held against a real vocabulary and against their own promises."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from switchwise.nouns.signals import Turn
from switchwise.reading import token_estimate as tokens

SOURCES = pathlib.Path(tokens.__file__).parent
TEXTS = {
    "German": "Der Fährmann führt das Seil durch die Lippklampe, damit es am Rumpf nicht scheuert und ruhig läuft. " * 20,
    "Russian": "Маршрутизатор выбирает модель для каждого вызова агента и помнит, чем закончился предыдущий. " * 20,
    "Chinese": "路由器为代理的每次调用选择模型，并记住之前的结果。价格和延迟都很重要，缓存也是如此。" * 20,
    "Hindi": "राउटर हर कॉल के लिए मॉडल चुनता है और पिछले परिणाम को याद रखता है। " * 20,
    "JSON": json.dumps([{"id": i, "name": f"user {i}", "balance": i * 17.5, "tags": ["a", "b"]} for i in range(60)]),
    "listing": "\n".join(
        f"-rw-r--r-- 1 root root {i * 7919 % 99991:6d} Jan {i % 28 + 1:2d} 10:{i % 60:02d} f_{i}.py" for i in range(80)
    ),
}


@pytest.fixture(scope="module")
def count() -> Callable[[str], int]:
    """The true length under `o200k`, from the vocabulary that LlamaIndex brings along."""
    core = pytest.importorskip("llama_index.core")  # it ships them
    vocabularies = pathlib.Path(core.__file__).parent / "_static/tiktoken_cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(vocabularies))
        encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text, disallowed_special=()))


@pytest.mark.parametrize("name", TEXTS)
def test_an_excerpt_is_estimated_within_a_third(name: str, count: Callable[[str], int]) -> None:
    assert tokens.estimate(TEXTS[name]) == pytest.approx(count(TEXTS[name]), rel=0.33)


def test_code_is_estimated_within_a_tenth_on_the_whole(count: Callable[[str], int]) -> None:
    files = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.py"))]
    assert sum(map(tokens.estimate, files)) == pytest.approx(sum(map(count, files)), rel=0.1)


def test_a_long_text_is_sampled_and_still_estimated_well() -> None:
    varied = "\n".join(f"line {i}: {TEXTS['Chinese'][: i % 40]} and x = {i * i}" for i in range(20_000))
    pieces = [varied[at : at + 50_000] for at in range(0, len(varied), 50_000)]
    assert tokens.estimate(varied) == pytest.approx(sum(map(tokens.estimate, pieces)), rel=0.05)


@given(st.text())
def test_any_text_has_a_length(text: str) -> None:
    assert (tokens.estimate(text) > 0) or len(text) <= 8


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.text(st.characters(codec="utf-8"), max_size=300))
def test_two_texts_together_are_as_long_as_both(one: str, other: str) -> None:
    assert abs(tokens.estimate(one + other) - tokens.estimate(one) - tokens.estimate(other)) <= 2


def test_half_a_surrogate_pair_is_counted_and_not_refused() -> None:
    assert tokens.estimate("\ud83d") >= 0


def test_a_message_costs_more_than_its_text() -> None:
    assert tokens.of(Turn("user", "")) == tokens.MESSAGE


def test_the_arguments_of_tool_calls_are_paid_for() -> None:
    bare = tokens.of(Turn("assistant", calls=("search",)))
    full = tokens.of(Turn("assistant", calls=("search",), arguments='{"query": "a long question about many things"}'))
    assert full - bare == tokens.estimate('{"query": "a long question about many things"}')


def test_every_picture_counts() -> None:
    one, two = (tokens.of(Turn("user", "see", media=("image",) * n)) for n in (1, 2))
    assert two - one == tokens.MEDIA["image"]


def test_a_kind_of_media_that_is_not_known_counts_as_a_document() -> None:
    assert tokens.of(Turn("user", media=("hologram",))) == tokens.MESSAGE + tokens.MEDIA["document"]


def test_no_tools_cost_nothing() -> None:
    assert tokens.tools("") == 0
    assert tokens.tools('[{"name": "search", "description": "Search the web"}]') > 10
