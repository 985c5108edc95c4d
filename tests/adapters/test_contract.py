"""One contract for the three adapters: the same cells, over the real SDKs and servers on loopback."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_switchwise.testing import LangChainFace
from llama_index.llms.switchwise.testing import LlamaIndexFace
from switchwise import ConfigurationError
from switchwise.dialects import DIALECTS
from switchwise.dialects.table import OTHER
from switchwise.testing.adapters import CELLS, ClientsFace, Face, NeutralRequest, NotHere, Said, check_adapter
from switchwise.testing.adapters.__main__ import main
from switchwise.testing.adapters.common import asked
from switchwise.testing.adapters.document import document
from switchwise.testing.adapters.portability import CASES, UNSUPPORTED

FACES: list[Any] = [ClientsFace(), LangChainFace(), LlamaIndexFace()]
KNOWN = ("environment of its own", "its OpenAI integration does not read it")
"""LlamaIndex's Anthropic integration: tests/llamaindex/anthropic runs those cells. ChatOpenAI reads no reasoning."""
PAGE = Path(__file__).parents[2] / "docs" / "design" / "portability.md"


@pytest.fixture(autouse=True)
def prices_do_not_matter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_every_adapter_does(face: Face, cell: str) -> None:
    try:
        check_adapter(face, cell)
    except NotHere as error:
        reason = str(error)
    else:
        return
    assert any(known in reason for known in KNOWN), reason
    pytest.skip(reason)


def test_the_page_on_portability_is_drawn_from_the_table(tmp_path: Path) -> None:
    drawn = tmp_path / "portability.md"
    assert main(["--docs", str(drawn)]) == 0
    assert PAGE.read_text() == drawn.read_text() == document(), "make adapters draws it"


def test_rows_of_one_protocol_have_the_same_rules_so_that_one_of_them_stands_for_all() -> None:
    for dialect in DIALECTS:
        (home,) = [each for each in DIALECTS if each.name == dialect.protocol]
        for name in ("ids", "turns", "tools", "media", "media_in_results", "blank_user", "blank_answer", "cache_marks"):
            assert getattr(dialect, name) is getattr(home, name), (dialect, name)


def test_every_row_is_concerned_by_some_case() -> None:
    concerned = {dialect for case in (*CASES, *UNSUPPORTED) for dialect in case.dialects}
    assert concerned == {dialect for dialect in DIALECTS if dialect is not OTHER}


class Broken(ClientsFace):
    """An adapter that answers with something else."""

    name = "broken"

    def ask(self, adapter: Any, request: NeutralRequest) -> Said:
        said = super().ask(adapter, request)
        return Said("something else", said.calls, said.message, said.pieces, {**said.record, "target": "nobody"})


def test_one_that_does_not_keep_the_contract_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {name: CELLS[name] for name in ("streams", "pins", "B11 a whole answer needs no marker")}
    for module in ("switchwise.testing.adapters", "switchwise.testing.adapters.__main__"):
        monkeypatch.setattr(f"{module}.CELLS", kept)
    with pytest.raises(
        AssertionError, match=r"^broken: streams: A stream has several pieces .* the answer is 'something else'"
    ):
        check_adapter(Broken())
    monkeypatch.setattr("switchwise.testing.adapters.__main__.OURS", (f"{__name__}:Broken", "nobody.at_home:Face"))
    monkeypatch.setattr("switchwise.testing.adapters.__main__.import_module", lambda name: _module(name))
    assert main([]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAIL broken") == 3
    assert "3 cells, 3 failed" in printed
    for name, wrong in (
        ("nobody.at_home:Face", "there is no module nobody.at_home"),
        (__name__, "write module:Face"),
        (f"{__name__}:Brokn", f"{__name__} has no Brokn"),
    ):
        with pytest.raises(SystemExit):
            main([name])
        assert wrong in capsys.readouterr().err


def _module(name: str) -> Any:
    if name != __name__:
        raise ImportError(name)
    return type("Module", (), {"Broken": Broken})


class Crashes(Broken):
    """One that does not keep to the protocol of a face."""

    name = "crashes"

    def __init__(self, given: Any) -> None:
        self.given = given

    def ask(self, adapter: Any, request: NeutralRequest) -> Said:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    def aask(self, adapter: Any, request: NeutralRequest) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("given", "cell", "message"),
    [
        (ValueError("mine"), "pins", r"^crashes: pins: A call can be pinned to a target: it raised ValueError\('mine'\)$"),
        ({"text": "hi"}, "pins", r"it gave \{'text': 'hi'\} for an answer: give a Said$"),
        (Said("hi"), "pins", r"it raised KeyError\('target'\)$"),
        (Said("hi"), "never", "nothing"),
    ],
)
def test_the_face_the_cell_what_it_wants_and_what_went_wrong_are_named(given: Any, cell: str, message: str) -> None:
    if cell == "never":
        with pytest.raises(AssertionError, match=r"asynchronously it gave Said.*: give a coroutine, async def aask\(\.\.\.\)$"):
            asked(Crashes(given), None, NeutralRequest(), asynchronous=True)
        return
    with pytest.raises(AssertionError, match=message):
        check_adapter(Crashes(given), cell)


@pytest.mark.parametrize("face", [None, "module:Face", ClientsFace, object()])
def test_what_is_no_face_is_refused(face: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^check_adapter\(.*: give a Face, such as ClientsFace\(\)"):
        check_adapter(face)


def test_an_unknown_cell_is_named_with_one_that_is_meant() -> None:
    with pytest.raises(ConfigurationError, match=r"^check_adapter\(cell='pinz'\): did you mean 'pins'\?"):
        check_adapter(ClientsFace(), "pinz")
