"""The reader: every file of the format gives a result, every other one is refused by line and column."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from switchwise import ConfigurationError
from switchwise.cli import main
from switchwise.evaluation import compare_recording, read_sessions

ROW = {"session": "s", "agent": None, "step": 0, "t": 100.0, "model": "claude-opus-4-5", "trigger": "tool", "input_tokens": 3}
FULL = ROW | {
    "cache_read": 8_000,
    "cache_write": 500,
    "write_5m": 500,
    "write_1h": 0,
    "output_tokens_logged": 90,
    "tools": ["Read"],
}


def written(path, rows, **changes):
    path.write_text("".join(json.dumps({**row, **changes}) + "\n" for row in rows))
    return path


def session(name="s", calls=12, **changes):
    return [
        FULL
        | {"session": name, "step": i, "t": 100.0 + 9 * i, "cache_read": 8_000 + 500 * i, "trigger": "tool" if i else "user"}
        | changes
        for i in range(calls)
    ]


def test_only_session_time_and_input_are_needed(tmp_path):
    rows = [{"session": "s", "t": i, "input_tokens": 5_000 + 100 * i} for i in range(4)]
    (thread,) = read_sessions(written(tmp_path / "x.jsonl", rows))
    assert [step.prompt for step in thread.steps] == [5_000, 5_100, 5_200, 5_300]
    assert not any(step.easy for step in thread.steps)


def test_nulls_count_as_nothing(tmp_path):
    empty = dict.fromkeys(["agent", "step", "trigger", "cache_write", "write_5m", "write_1h", "tools", "text_chars", "model"])
    (thread,) = read_sessions(written(tmp_path / "x.jsonl", session(), **empty))
    assert [step.prompt for step in thread.steps[:2]] == [8_003, 8_503]


def test_writes_without_a_lifetime_count_as_the_short_one(tmp_path):
    rows = [{key: value for key, value in row.items() if not key.startswith("write_")} for row in session()]
    (thread,) = read_sessions(written(tmp_path / "x.jsonl", rows))
    assert thread.ttl == 300
    assert thread.steps[0].prompt == 8_503


def test_rows_in_any_order_make_the_same_threads(tmp_path):
    rows = session("a") + session("b") + session("a", agent="x")
    sorted_ = read_sessions(written(tmp_path / "sorted.jsonl", rows))
    random.Random(1).shuffle(rows)
    mixed = read_sessions(written(tmp_path / "mixed.jsonl", rows))

    def key(thread):
        return thread.session, thread.agent

    assert sorted(mixed, key=key) == sorted(sorted_, key=key)


def test_plain_or_gzipped_whatever_the_name_and_in_a_folder(tmp_path):
    plain = written(tmp_path / "a.jsonl", session())
    (tmp_path / "packed").mkdir()
    packed = tmp_path / "packed" / "mine.jsonl"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_sessions(packed) == read_sessions(packed.parent) == read_sessions(plain)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"session": "s", "t": 1}', r"x\.jsonl:13: no column 'input_tokens'"),
        ('{"session": "s", "t": null, "input_tokens": 1}', r"x\.jsonl:13: column 't' is null"),
        ('{"t": 1, "input_tokens": 1}', r"x\.jsonl:13: no column 'session'"),
        ('{"session": "s", "t": 1, "input_tokens": "many"}', r"x\.jsonl:13: column 'input_tokens' is 'many'"),
        ('{"session": "s", "t": 1, "input_tokens": -3}', r"x\.jsonl:13: column 'input_tokens' is -3"),
        ('{"session": "s", "t": 1, "input_tokens": 1, "cache_read": NaN}', r"x\.jsonl:13: column 'cache_read' is nan"),
        ('{"session": "s", "t": 1, "input_tokens": 1, "tools": "Read"}', r"x\.jsonl:13: column 'tools' is 'Read'"),
        (
            '{"session": "s", "t": 1, "input_tokens": 1, "tools": [{"name": "Read"}]}',
            r"x\.jsonl:13: column 'tools' is .* list of names",
        ),
        ('{"session": {"id": 1}, "t": 1, "input_tokens": 1}', r"x\.jsonl:13: column 'session' is .* a name"),
        ('{"session": "s", "t": 1, "input_tokens": true}', r"x\.jsonl:13: column 'input_tokens' is True"),
        (f'{{"session": "s", "t": 1, "input_tokens": 1{"0" * 400}}}', r"x\.jsonl:13: column 'input_tokens' is 1000"),
        (f'{{"session": "s", "t": 1, "input_tokens": 1{"0" * 5_000}}}', r"x\.jsonl:13: no JSON: .* digits"),
        (
            '{"session": "s", "t": 1770000000000, "input_tokens": 1}',
            r"x\.jsonl:13: column 't' is 17.* from 0 to 100,000,000,000",
        ),
        ("[1, 2]", r"x\.jsonl:13: not a JSON object"),
        ('{"session": "s", "t"', r"x\.jsonl:13: no JSON"),
    ],
)
def test_an_invalid_row_is_refused_by_line_and_column(tmp_path, line, complaint):
    path = written(tmp_path / "x.jsonl", session())
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ConfigurationError, match=complaint):
        read_sessions(path)


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path):
    plain = written(tmp_path / "a.jsonl", session())
    marked = tmp_path / "b.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    assert read_sessions(marked) == read_sessions(plain)


def test_of_several_recordings_in_a_folder_one_must_be_named(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        written(tmp_path / name, session())
    with pytest.raises(ConfigurationError, match=r"2 recordings there; give one of them: a\.jsonl, b\.jsonl"):
        read_sessions(tmp_path)


def test_a_bill_that_the_times_contradict_is_remarked_on(tmp_path, capsys):
    seldom = [row | {"t": 1_000.0 * row["t"]} for row in session()]  # lapsed each time, and yet read from the cache
    assert main(["replay", str(written(tmp_path / "x.jsonl", seldom)), "--samples", "0"]) == 0
    assert "too far off to go by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no calls"),
        (b"\n\n", "holds no calls"),
        (b'{"question": "who?", "answer": "I"}\n', "neither a switchwise journal .* it has: question, answer"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b'{"session": "s", "t": 1, "input_tokens": 0}\n', "counts no tokens"),
    ],
)
def test_a_file_of_no_known_format_is_refused_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=complaint):
        compare_recording(path)


@pytest.mark.parametrize("inflation", ["1", "2"])
def test_a_single_session_has_costs_and_no_standard_error(tmp_path, capsys, inflation):
    path = written(tmp_path / "one.jsonl", session())
    assert main(["replay", str(path), "--inflation", inflation, "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN is no JSON
    assert found["pairs"][0]["standard_error"]["switchwise"] is None
    assert main(["replay", str(path), "--inflation", inflation]) == 0
    assert "nan" not in capsys.readouterr().out


rows = some.fixed_dictionaries(
    {"session": some.sampled_from(["a", "b"]), "t": some.floats(0, 1e6), "input_tokens": some.integers(1, 200_000)},
    optional={
        "agent": some.sampled_from([None, "x"]),
        "step": some.none() | some.integers(0, 9),
        "model": some.sampled_from([None, "claude-opus-4-5", "no-such-model"]),
        "trigger": some.sampled_from([None, "tool", "user", "compact", "meta", "none"]),
        "tools": some.none() | some.lists(some.sampled_from(["Read", "Edit"]), max_size=3),
        "cache_read": some.none() | some.integers(0, 200_000),
        "write_1h": some.integers(0, 9_000),
        "output_tokens_logged": some.none() | some.integers(0, 900),
    },
)


@settings(max_examples=25, deadline=None)
@given(some.lists(rows, min_size=1, max_size=12), some.sampled_from(["1", "2.5"]))
def test_whatever_is_of_the_format_gives_a_result(tmp_path_factory, found, inflation):
    path = written(tmp_path_factory.mktemp("any") / "x.jsonl", found)
    pairs = ["--pair", "claude-opus-4-5/claude-haiku-4-5", "--pair", "gpt-5-pro/gpt-5-mini"]
    assert main(["replay", str(path), "--samples", "5", "--inflation", inflation, *pairs]) == 0
