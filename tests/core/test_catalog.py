"""The catalogue knows what models cost and can do; what it says of prices is what genai-prices would have calculated."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import UTC, datetime
from functools import cache

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from hypothesis import given
from hypothesis import strategies as st

from switchwise import Capabilities, Price, Usage, catalog
from switchwise.catalog import Catalog, Known
from switchwise.catalog.prices import priced

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp()
YEAR = 365 * 86_400


# -- the oracle ----------------------------------------------------------------------------------------------------


@cache
def models() -> list[tuple[Provider, ModelInfo]]:
    """Every model of four providers that genai-prices prices by the token of text."""
    found = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
    mine = [(provider, model) for provider, model in found if provider.id in ("anthropic", "openai", "google", "deepseek")]
    return [
        (provider, model)
        for provider, model in mine
        if priced(provider.id, model.id, NOON).price and is_own_name(provider, model)
    ]


def is_own_name(provider: Provider, model: ModelInfo) -> bool:
    """A few ids are shadowed by an earlier model that matches them too."""
    return get_snapshot().find_provider_model(model.id, None, provider.id, None)[1] is model


lengths = st.integers(0, 2_000) | st.integers(90_000, 300_000) | st.sampled_from([100_000, 100_001, 200_000, 200_001, 272_001])


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Prompts below, at and above the limits of tiers, in any mixture of read, written and plain."""
    plain, read, write, write_1h = draw(lengths), draw(lengths), draw(lengths), draw(lengths)
    return Usage(plain + read + write + write_1h, draw(st.integers(0, 100_000)), read, write, write_1h)


def theirs(provider: Provider, model: ModelInfo, usage: Usage, when: datetime) -> float:
    written = (usage.cache_write_tokens or 0) + (usage.cache_write_1h_tokens or 0)
    their = TheirUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
    )
    return float(model.calc_price(their, provider, genai_request_timestamp=when).total_price)


@given(st.data(), usages(), st.integers(0, YEAR))
def test_costs_are_those_of_genai_prices_for_every_model_at_every_hour(data: st.DataObject, usage: Usage, later: int) -> None:
    provider, model = data.draw(st.sampled_from(models()), label="model")
    now = NOON + later
    price = priced(provider.id, model.id, now).price
    assert price is not None
    expected = theirs(provider, model, usage, datetime.fromtimestamp(now, UTC))
    assert price.at(now).cost(usage) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_the_oracle_sees_each_of_the_models_once() -> None:
    """A property draws at random; here each model has its turn, below and above its tiers."""
    assert len(models()) > 150
    when = datetime.fromtimestamp(NOON, UTC)
    for provider, model in models():
        price = priced(provider.id, model.id, NOON).price
        assert price is not None
        for tokens in (10_000, 150_000, 250_000, 500_000):
            usage = Usage(tokens, 1_000, tokens // 2, tokens // 8, tokens // 8)
            expected = theirs(provider, model, usage, when)
            assert price.at(NOON).cost(usage) == pytest.approx(expected, rel=1e-9), (provider.id, model.id, tokens)


@pytest.mark.parametrize("variant", [{"service_tier": "flex"}, {"service_tier": "priority"}])
def test_a_variant_of_the_request_has_its_own_price(variant: dict[str, str]) -> None:
    provider, model = get_snapshot().find_provider_model("gpt-6.1-sol", None, "openai", None)
    price = Catalog(variant=variant, clock=lambda: NOON).look_up("openai", "gpt-6.1-sol").price
    assert price is not None
    their = model.calc_price(TheirUsage(input_tokens=1000, output_tokens=10), provider, price_context=variant)
    assert price.cost(Usage(1000, 10)) == pytest.approx(float(their.total_price), rel=1e-9)


# -- traps ---------------------------------------------------------------------------------------------------------


def test_a_prompt_at_the_limit_still_pays_the_lower_tier_and_one_more_token_pays_the_higher_for_all() -> None:
    price = priced("anthropic", "claude-haiku-5-5", NOON).price
    assert price is not None
    assert price.cost(Usage(100_000, 0)) == pytest.approx(0.01)
    assert price.cost(Usage(100_001, 0)) == pytest.approx(0.0500005)


def test_the_hour_changes_the_price_and_who_does_not_ask_pays_the_dearest() -> None:
    price = priced("deepseek", "deepseek-v4-pro", NOON).price
    assert price is not None
    million = Usage(1_000_000, 1_000_000)
    by_hour = {hour: round(price.at(NOON - 12 * 3600 + hour * 3600).cost(million), 2) for hour in (0, 3, 8, 12, 17, 22)}
    assert by_hour == {0: 2.64, 3: 5.28, 8: 5.28, 12: 2.64, 17: 2.64, 22: 2.64}
    assert price.cost(million) == pytest.approx(5.28)


def test_a_price_that_begins_later_does_not_count_yet() -> None:
    early = priced("deepseek", "deepseek-v4-flash", datetime(2026, 8, 1, 12, tzinfo=UTC).timestamp()).price
    late = priced("deepseek", "deepseek-v4-flash", NOON).price
    assert early != late


def test_a_missing_write_price_is_the_input_price() -> None:
    assert Price(2, 8).cost(Usage(1_000_000, 0, cache_write_tokens=1_000_000)) == 2


def test_the_window_is_prompt_and_answer_together() -> None:
    can = catalog.look_up("openai", "gpt-6.1-sol").can
    assert (can.window, can.max_output) == (1_050_000, 128_000)


def test_a_window_that_genai_prices_lacks_comes_from_the_bundled_table() -> None:
    assert catalog.look_up("google", "gemini-2.5-pro").can.window == 1_048_576


# -- looking up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["claude-opus-4-5", "claude-opus-4-5-20251101"])
def test_dated_names_are_understood(name: str) -> None:
    known = catalog.look_up("anthropic", name)
    assert known.price is not None
    assert known.price.output == 25
    assert known.can.structured_output
    assert known.can.tools
    assert known.can.modalities == {"image", "document"}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("google_genai", "gemini-2.5-pro"),
        ("google_genai", "models/gemini-2.5-pro"),
        ("bedrock_converse", "anthropic.claude-opus-4-5-20251101-v1:0"),
        ("", "gpt-4o-mini-2024-07-18"),
    ],
)
def test_providers_go_by_the_names_of_the_frameworks_or_by_none(provider: str, model: str) -> None:
    assert catalog.look_up(provider, model).price is not None


@pytest.mark.parametrize("provider", ["openai", "my-own-server", ""])
def test_of_an_unknown_model_nothing_is_known(provider: str) -> None:
    assert catalog.look_up(provider, "qwen-next-to-nothing") == Known()


def test_an_unknown_target_is_made_with_a_warning_that_names_it_and_the_remedy() -> None:
    with pytest.warns(catalog.Unpriced, match=r"vllm/qwen.*'own'.*price=Price") as seen:
        target = catalog.target("own", provider="vllm", model="qwen", roles=["fast"])
    assert (target.name, target.price, target.roles, target.can) == ("own", None, {"fast"}, Capabilities())
    assert seen[0].filename == __file__, "it points at the caller"


def test_what_the_user_gives_counts_and_the_rest_is_looked_up() -> None:
    mine = Price(1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # ours; not what another test left to the garbage collector
        target = catalog.target("gpt-4o", provider="openai", price=mine, can=Capabilities(window=8_000))
        assert catalog.target("own", provider="vllm", model="qwen", price=mine).price is mine
    assert target.model == "gpt-4o"
    assert target.price is mine
    assert (target.can.window, target.can.max_output, target.can.tools) == (8_000, 16_384, True)


def test_overrides_belong_to_one_catalogue() -> None:
    mine = Catalog({("openai", "gpt-4o"): Known(can=Capabilities(tools=False)), ("vllm", "qwen"): Known(Price(1, 2))})
    assert mine.look_up("openai", "gpt-4o").can.tools is False
    assert mine.look_up("openai", "gpt-4o").price == catalog.look_up("openai", "gpt-4o").price
    assert mine.look_up("vllm", "qwen").price == Price(1, 2)
    assert catalog.look_up("openai", "gpt-4o").can.tools is True
    assert catalog.look_up("vllm", "qwen").price is None


def test_importing_switchwise_reads_no_price_list() -> None:
    code = "import sys, switchwise, switchwise.catalog; print('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
