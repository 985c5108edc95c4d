"""A document counts by its size."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_switchwise.models import messages as langchain
from switchwise.clients import views
from switchwise.reading import token_estimate
from switchwise.reading.document_size import PAGE, document_tokens

PDF = b"%PDF-1.4\n" + b"<< /Type /Page /Parent 1 0 R >>\n" * 100 + b"<< /Type /Pages >>\n"
CODED = base64.b64encode(PDF).decode()
BLOCKS: list[dict[str, Any]] = [
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": CODED}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{CODED}"}},
    {"type": "file", "source_type": "base64", "mime_type": "application/pdf", "data": CODED},
    {"type": "input_file", "file_data": f"data:application/pdf;base64,{CODED}"},
    {"type": "file", "mime_type": "application/pdf", "base64": CODED},
]


@pytest.mark.parametrize("block", BLOCKS)
def test_C3_a_pdf_of_a_hundred_pages_counts_by_its_pages_in_every_api(block: dict[str, Any]) -> None:
    assert token_estimate.of(langchain.turn_of(HumanMessage([block]))) == pytest.approx(100 * PAGE, rel=0.01)


def test_C3_in_the_clients() -> None:
    assert token_estimate.of(views.turn_of({"role": "user", "content": [BLOCKS[1]]})) == pytest.approx(100 * PAGE, rel=0.01)


def test_C3_in_llamaindex() -> None:
    types = pytest.importorskip("llama_index.core.base.llms.types")
    llamaindex = pytest.importorskip("llama_index.llms.switchwise.models.messages")
    message = types.ChatMessage(role="user", blocks=[types.DocumentBlock(data=PDF, title="a.pdf")])
    assert token_estimate.of(llamaindex.turn_of(message)) == pytest.approx(100 * PAGE, rel=0.01)


def test_what_has_no_pages_to_count_counts_by_its_bytes() -> None:
    assert document_tokens(b"%PDF-1.7\n" + b"\x9c\x00" * 2_500_000) == pytest.approx(100 * PAGE, rel=0.03)
    assert document_tokens({"type": "file", "data": "word " * 100_000}) == pytest.approx(100_000, rel=0.3)
    assert document_tokens({"type": "file", "file": {"file_id": "file-1"}}) == 0
    assert document_tokens(None) == 0
