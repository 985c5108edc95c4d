"""What every test may use: the data beside the checkout, and an environment without providers."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from . import traffic

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

# An HTTP client loads the certificates of the system when it is made, 20 ms; the tests make 4,000, and all speak to loopback in the clear.
# This folder has none to load.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_PROVIDERS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


@pytest.fixture(autouse=True)
def no_provider_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and addresses come from the test alone; a base URL in the environment even changes what SDKs send."""
    for name in (*_PROXIES, *_PROVIDERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWITCHWISE_TELEMETRY", "off")  # a test that imports an exporter would switch it on for all later ones


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the shared data: `../shared/data`, or SWITCHWISE_SHARED_DATA. It may be missing."""
    return traffic.shared_data()


@pytest.fixture(scope="session")
def cassettes() -> Path:
    """The folder of recorded provider traffic; the sample of this repository where there is no more."""
    return traffic.traffic()
