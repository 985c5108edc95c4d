"""The suites: package, tests, and how many must pass through switchwise."""

from __future__ import annotations

from dataclasses import dataclass

LLAMA_INDEX = "llama-index-core"
REPLAY = ("-m", "vcr", "--record-mode=none", "--benchmark-disable")


@dataclass(frozen=True)
class Suite:
    """Some tests of one package.

    Parameters:
        name: in the table.
        package: package whose source distribution or repository holds them.
        tests: paths, from the folder that holds `tests`.
        plugin: the pytest plugin that puts switchwise in front of the models.
        least: the number of tests that must pass through switchwise.
        routed: the number of tests in which switchwise must have made a call; a pass without one shows nothing.
        options: further options of pytest.
    """

    name: str
    package: str
    tests: tuple[str, ...]
    plugin: str
    least: int
    routed: int
    options: tuple[str, ...] = ()

    @property
    def replays(self) -> bool:
        """Whether it replays recordings: its models then need keys, of any value."""
        return "vcr" in self.options


SUITES = (
    Suite(
        "OpenAI: standard tests, Responses",
        "langchain-openai",
        ("tests/integration_tests/chat_models/test_codex_standard.py",),
        "through_langchain",
        least=48,
        routed=48,
        options=REPLAY,
    ),
    Suite(
        "OpenAI: its own tests",
        "langchain-openai",
        ("tests/integration_tests",),
        "through_langchain",
        least=84,
        routed=80,
        options=(
            *REPLAY,
            "--ignore=tests/integration_tests/chat_models/test_codex_standard.py",
            "--ignore=tests/integration_tests/chat_models/test_azure_standard.py",
        ),
    ),
    Suite(
        "Anthropic: its own tests",
        "langchain-anthropic",
        ("tests/integration_tests",),
        "through_langchain",
        least=39,
        routed=39,
        options=REPLAY,
    ),
    Suite(
        "create_agent: structured output",
        "langchain",
        ("tests/unit_tests/agents/test_response_format_integration.py",),
        "through_langchain",
        least=4,
        routed=4,
        options=REPLAY,
    ),
    Suite(
        "create_agent and its middleware",
        "langchain",
        ("tests/unit_tests/agents",),
        "through_langchain_agents",
        least=1100,
        routed=390,
        options=("-m", "not vcr", "--benchmark-disable"),
    ),
    Suite(
        "agents, chat engines, programs",
        LLAMA_INDEX,
        ("tests/agent", "tests/chat_engine", "tests/program"),
        "through_llamaindex",
        least=100,
        routed=40,
    ),
    Suite(
        "LLMs and function calling",
        LLAMA_INDEX,
        ("tests/llms",),
        "through_llamaindex_llms",
        least=20,
        routed=20,
    ),
)
