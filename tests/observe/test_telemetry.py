"""Spans and metrics of real calls: against the SDK's in-memory exporter, and against a scrape over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from switchwise import (
    AllTargetsFailed,
    Attempt,
    FailureKind,
    Needs,
    NoTarget,
    Pool,
    Reply,
    Router,
    Scope,
    TargetError,
    View,
    drive,
)
from switchwise.catalog import target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.gate import Gate
from switchwise.gate.finding import Work
from switchwise.observe import Event, EventKind, InMemory, OpenTelemetry, Prometheus
from switchwise.observe.telemetry import METRICS, otel, prometheus
from switchwise.observe.telemetry.found import found
from switchwise.policies import Budget, Healthy, Rules
from switchwise.testing import Script
from switchwise.verifiers import Judge
from switchwise_loopback import Answer, Fault, LoopbackProvider

DASHBOARD = Path(__file__).parents[2] / "examples" / "grafana" / "switchwise.json"
LONG = [
    {"role": "system", "content": "The rules of the house, in full. " * 800},
    {"role": "user", "content": "A secret: swordfish."},
]


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


def pool() -> Pool:
    return Pool(
        [
            target("claude", provider="anthropic", model="claude-opus-4-5"),
            target("gpt", provider="openai", model="gpt-4o-mini"),
        ]
    )


def clients(provider: LoopbackProvider, *policies: Any, **options: Any) -> Clients:
    ours: dict[str, Any] = {"api_key": "x", "max_retries": 0}
    one = AnthropicClient(anthropic.Anthropic(base_url=provider.anthropic_url, **ours), model="claude-opus-4-5")
    two = OpenAIClient(openai.OpenAI(base_url=provider.openai_url, **ours), model="gpt-4o-mini")
    router = Router(pool(), *policies, recovery=Recovery(patience=0), **options)
    return Clients({"claude": one, "gpt": two}, router)


def use(provider: LoopbackProvider, observers: list[Any]) -> Clients:
    """A failure that another target makes good, an answer, a stream, a step that fails, and a gate that sends work back."""
    used = clients(provider, Healthy(share=1.0), Budget(usd=5, per="all"), observers=observers)
    provider.inject(Fault.OVERLOADED, provider="anthropic", times=1)
    used.complete(LONG, session="s1")
    used.router.reset()
    for _ in range(2):
        used.complete(LONG, session="s1", target="gpt")
    list(used.stream(LONG, session="s1", target="gpt"))
    provider.inject(Fault.OVERLOADED, times=None)
    with pytest.raises(AllTargetsFailed):
        used.complete(LONG, session="s1")
    gate = Gate(lambda _: False)
    used.router.join(gate)
    gate.rule(Work("Done."), gate.begin())
    return used


class Exported:
    """The SDK's in-memory exporters, and an observer that feeds them."""

    def __init__(self, **options: Any) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.observer = OpenTelemetry(self.tracers, MeterProvider([self.reader]), **options)

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        return self.spans.get_finished_spans()

    @property
    def roots(self) -> list[ReadableSpan]:
        return [span for span in self.finished if span.name == "route"]

    def beneath(self, root: ReadableSpan) -> list[ReadableSpan]:
        return [span for span in self.finished if span.parent and span.parent.span_id == root.context.span_id]

    def metrics(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for resource in self.reader.get_metrics_data().resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] += metric.data.data_points
        return found


class TestSpans:
    def test_a_step_is_one_span_with_its_calls_beneath_in_the_words_of_the_conventions(
        self, provider: LoopbackProvider
    ) -> None:
        exported, journal = Exported(), InMemory()
        agents = exported.tracers.get_tracer("the application")
        with agents.start_as_current_span("invoke_agent") as around:
            use(provider, [exported.observer, journal])
        first, record = exported.roots[0], list(journal)[1]
        assert first.parent is not None
        assert first.parent.span_id == around.get_span_context().span_id
        assert len(exported.roots) == 5
        failed, answered = exported.beneath(first)
        assert [span.name for span in (failed, answered)] == ["chat claude-opus-4-5", "chat gpt-4o-mini"]
        assert failed.attributes is not None
        assert answered.attributes is not None
        assert (failed.attributes["error.type"], failed.status.status_code) == ("overloaded", StatusCode.ERROR)
        traced = answered.attributes
        assert traced["gen_ai.operation.name"] == "chat"
        assert traced["gen_ai.provider.name"] == "openai"
        assert traced["gen_ai.request.model"] == "gpt-4o-mini"
        assert traced["gen_ai.usage.input_tokens"] == record.input_tokens
        assert traced["gen_ai.usage.output_tokens"] == record.output_tokens
        assert traced["gen_ai.response.finish_reasons"] == ("stop",)
        assert traced["switchwise.cost"] == record.cost
        assert (traced["switchwise.policy"], traced["switchwise.because"]) == (record.policy, record.because)
        assert first.attributes is not None
        assert first.attributes["gen_ai.conversation.id"] == "s1"
        assert first.attributes["switchwise.decision"] == record.decision
        assert first.attributes["switchwise.target"] == "gpt"
        assert first.attributes["switchwise.attempts"] == ("claude: overloaded", "gpt: accepted")
        assert first.start_time <= failed.start_time <= failed.end_time <= answered.start_time <= answered.end_time  # type: ignore[operator]
        assert answered.end_time <= first.end_time  # type: ignore[operator]

    def test_circuits_and_fallbacks_are_events_of_the_step_and_gates_of_what_is_around(
        self, provider: LoopbackProvider
    ) -> None:
        exported = Exported()
        with exported.tracers.get_tracer("the application").start_as_current_span("invoke_agent"):
            use(provider, [exported.observer])
        first = exported.roots[0]
        events = {event.name: dict(event.attributes or {}) for event in first.events}
        assert events.keys() == {"switchwise.circuit_opened", "switchwise.fallback"}
        assert events["switchwise.circuit_opened"]["switchwise.name"] == "claude"
        assert events["switchwise.fallback"]["switchwise.after"] == "claude"
        around = next(span for span in exported.finished if span.name == "invoke_agent")
        assert [event.name for event in around.events] == [
            "switchwise.circuit_closed",
            "switchwise.gate_rejected",
            "switchwise.escalated",
        ]

    def test_a_step_that_fails_and_one_that_is_left_say_so(self, provider: LoopbackProvider) -> None:
        exported = Exported()
        use(provider, [exported.observer])
        failed = exported.roots[-1]
        assert failed.attributes is not None
        assert (failed.attributes["switchwise.result"], failed.status.status_code) == ("failed", StatusCode.ERROR)
        left = Router(pool(), observers=[exported.observer]).start(View())
        stream = drive(left, Script(otherwise="one two three").perform)
        next(stream)
        stream.close()
        *_, call, step = exported.finished
        assert call.attributes is not None
        assert step.attributes is not None
        assert (call.attributes["switchwise.result"], step.attributes["switchwise.result"]) == ("abandoned", "abandoned")

    def test_a_judge_is_a_call_of_the_step_and_its_verdict_an_event(self) -> None:
        exported = Exported()
        judged = Router(
            Pool([*pool(), target("judge", provider="openai", model="gpt-4o")]),
            verify=Judge("judge"),
            observers=[exported.observer],
        )
        list(drive(judged.start(View()), Script(otherwise="I do not judge.").perform))
        (root,) = exported.roots
        purposes = [dict(span.attributes or {})["switchwise.purpose"] for span in exported.beneath(root)]
        assert sorted(purposes) == ["answer", "ask"]
        answer = next(span for span in exported.beneath(root) if (span.attributes or {})["switchwise.purpose"] == "answer")
        assert [event.name for event in answer.events] == ["switchwise.verdict"]

    @pytest.mark.parametrize("texts", [False, True])
    def test_no_text_is_in_a_span_unless_it_is_asked_for(self, provider: LoopbackProvider, texts: bool) -> None:
        provider._responder = lambda _: Answer("The answer is tuna.")
        exported = Exported(texts=texts)
        use(provider, [exported.observer])
        everything = "".join(span.to_json() for span in exported.finished)
        assert [word in everything for word in ("swordfish", "tuna", "rules of the house")] == [texts] * 3

    def test_an_error_shows_nothing_of_what_the_provider_said(self) -> None:
        exported = Exported()

        def refuses(call: Any) -> Iterator[Any]:
            raise TargetError(FailureKind.OVERLOADED, "your prompt was: swordfish")
            yield

        with pytest.raises(AllTargetsFailed):
            list(drive(Router(pool(), observers=[exported.observer], recovery=Recovery(patience=0)).start(View()), refuses))
        assert "swordfish" not in "".join(span.to_json() for span in exported.finished)

    def test_a_step_without_any_target_is_a_failed_span_and_the_longest_answer_is_an_attribute(self) -> None:
        exported = Exported()
        closed = Router(pool(), Rules().exclude("claude").exclude("gpt"), observers=[exported.observer])
        with pytest.raises(NoTarget):
            closed.start(View(Scope("s1")))
        (root,) = exported.finished
        assert root.attributes is not None
        assert (root.attributes["switchwise.result"], root.attributes["error.type"]) == ("failed", "NoTarget")
        assert root.attributes["gen_ai.conversation.id"] == "s1"
        asks = View(needs=Needs(max_output=300))
        list(drive(Router(pool(), observers=[exported.observer]).start(asks), Script(otherwise="Yes.").perform))
        call = next(span for span in exported.finished if span.name.startswith("chat "))
        assert (call.attributes or {})["gen_ai.request.max_tokens"] == 300

    def test_telemetry_that_is_set_up_during_a_step_lets_its_call_go(self) -> None:
        exported = Exported()
        run = Router(pool()).start(View())
        exported.observer.settled(Attempt(run.call, 0.0, 1.0, Reply("Yes.")))
        assert exported.finished == ()

    def test_an_event_outside_of_any_span_is_let_go(self) -> None:
        Exported().observer.event(Event(EventKind.FEEDBACK, "abc", details={"reward": 1}))
        assert trace.get_current_span() is trace.INVALID_SPAN


def sums(points: list[Any], label: str) -> dict[Any, float]:
    found: dict[Any, float] = defaultdict(float)
    for point in points:
        found[point.attributes[label]] += point.value
    return dict(found)


def test_metrics_say_what_the_journal_says(provider: LoopbackProvider) -> None:
    exported, journal = Exported(), InMemory()
    use(provider, [exported.observer, journal])
    records, metrics = list(journal), exported.metrics()
    assert sums(metrics["switchwise.requests"], "switchwise.result") == {
        result: sum(record.result == result for record in records) for result in ("accepted", "failed")
    }
    assert sum(sums(metrics["switchwise.cost"], "switchwise.target").values()) == pytest.approx(
        sum(record.cost or 0 for record in records)
    )
    tokens = sums(metrics["switchwise.tokens"], "switchwise.type")
    assert tokens["input"] == sum(record.input_tokens or 0 for record in records)
    assert tokens["cache_read"] == sum(record.cache_read_tokens or 0 for record in records) > 0
    usage = {point.attributes["gen_ai.token.type"]: point.sum for point in metrics["gen_ai.client.token.usage"]}
    assert usage["input"] == tokens["input"]
    assert sum(point.count for point in metrics["gen_ai.client.operation.duration"]) == len(records)
    (first,) = metrics["gen_ai.client.operation.time_to_first_chunk"]
    assert (first.count, first.sum) == (1, pytest.approx(records[-3].first_chunk))
    assert sums(metrics["switchwise.failures"], "error.type") == {"overloaded": 3}
    left = {point.attributes["switchwise.budget"]: point.value for point in metrics["switchwise.budget.left"]}
    assert left == {"all": pytest.approx(5 - sum(record.cost or 0 for record in records))}
    assert {otel.name_of(metric) for metric in METRICS} | {"gen_ai.client.token.usage"} == metrics.keys()


class Scrape:
    """What a Prometheus server would read: samples by name."""

    def __init__(self, text: str) -> None:
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        self.kinds = {}
        for family in text_string_to_metric_families(text):
            self.kinds[family.name] = family.type
            for sample in family.samples:
                self.samples[sample.name].append((sample.labels, sample.value))

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for found, value in self.samples[name] if labels.items() <= found.items())


@pytest.fixture
def scrape(provider: LoopbackProvider) -> tuple[Scrape, InMemory]:
    """A real scrape over HTTP, after some traffic of two routers that share a registry."""
    registry, journal = CollectorRegistry(), InMemory()
    use(provider, [Prometheus(registry), journal])
    Prometheus(registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as response:
            return Scrape(response.read().decode()), journal
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_scrape_says_what_the_journal_says(scrape: tuple[Scrape, InMemory]) -> None:
    found, journal = scrape
    records = list(journal)
    assert found.sum("switchwise_requests_total") == len(records)
    assert found.sum("switchwise_failures_total", kind="overloaded", target="claude") == 2
    assert found.sum("switchwise_cost_usd_total") == pytest.approx(sum(record.cost or 0 for record in records))
    assert found.sum("switchwise_tokens_total", type="output") == sum(record.output_tokens or 0 for record in records)
    assert found.sum("switchwise_request_duration_seconds_count") == len(records)
    assert found.sum("switchwise_fallbacks_total", source="claude", target="gpt", kind="overloaded") == 2
    assert found.sum("switchwise_steps_total", result="failed") == 1
    assert found.sum("switchwise_events_total", kind="gate_rejected") == 1
    assert found.sum("switchwise_circuit_open", circuit="claude") == 1
    expected = {prometheus.name_of(metric): metric.kind for metric in METRICS}
    assert {
        name: kind for name, kind in found.kinds.items() if name.startswith("switchwise") and not name.endswith("_created")
    } == expected


def test_every_query_of_the_dashboard_finds_what_it_asks_for(scrape: tuple[Scrape, InMemory]) -> None:
    found, _ = scrape
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [query["expr"] for panel in panels for query in panel["targets"]]
    asked = set()
    for query in queries:
        selectors = re.findall(r"(switchwise_\w+)(?:\{([^}]*)\})?", query)
        assert selectors, query
        grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")}
        for name, matchers in selectors:
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', matchers))
            samples = [labels for labels, _ in found.samples[name] if wanted.items() <= labels.items()]
            assert samples, f"{query}: nothing is called {name} {wanted}"
            assert grouped <= samples[0].keys(), f"{query}: {name} has {samples[0].keys()}"
            asked.add(name)
    for panel in panels:
        for query in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]))
            assert shown <= set(re.findall(r"\w+", query["expr"])), query
    metrics = {prometheus.name_of(metric) for metric in METRICS}
    shown = {re.sub(r"_(total|bucket)$", "", name) for name in asked}
    assert shown == metrics, f"no panel shows {metrics - shown}"


def test_labels_stay_few_however_many_sessions_there_are() -> None:
    registry = CollectorRegistry()
    made = Router(pool(), Rules().prefer("gpt"), Budget(usd=9), observers=[Prometheus(registry)])
    script = Script(otherwise="Yes.")
    counts = []
    for number in range(30):
        list(drive(made.start(View(Scope(f"s{number}", f"agent {number}"), tokens=number)), script.perform))
        counts.append(sum(len(family.samples) for family in registry.collect()))
    assert counts[1] == counts[-1]


class TestFound:
    """Telemetry that the application has configured is used without a word, in a process of its own: providers are global."""

    def run(self, before: str, **environment: str) -> list[str]:
        code = f"""
from switchwise import Pool, Router, Target, View, drive
from switchwise.testing import Script
router = Router(Pool([Target("opus")]))
{before}
list(drive(router.start(View()), Script(opus="Yes.").perform))
list(drive(router.start(View()), Script(opus="Yes.").perform))
import sys
print(len(exporter.get_finished_spans()) if "exporter" in globals() else "no spans")
print(prometheus_client.REGISTRY.get_sample_value("switchwise_steps_total", {{"result": "accepted"}})
      if "prometheus_client" in sys.modules else "no metrics")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        return done.stdout.split("\n")[:2]

    CONFIGURED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
import prometheus_client
"""

    def test_what_is_configured_before_the_first_step_is_used(self) -> None:
        assert self.run(self.CONFIGURED) == ["4", "2.0"]

    def test_what_is_not_used_is_not_even_imported(self) -> None:
        assert self.run("import opentelemetry.trace") == ["no spans", "no metrics"]

    def test_and_it_can_be_switched_off(self) -> None:
        assert self.run(self.CONFIGURED, SWITCHWISE_TELEMETRY="off") == ["0", "None"]

    def test_what_was_given_is_not_made_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SWITCHWISE_TELEMETRY", raising=False)
        assert [type(each) for each in found([])] == [Prometheus]
        assert found([Prometheus(CollectorRegistry())]) == []
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
        assert [type(each) for each in found([])] == [OpenTelemetry, Prometheus]
        assert [type(each) for each in found([Exported().observer])] == [Prometheus]
