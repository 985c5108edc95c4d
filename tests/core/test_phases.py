"""Phases and steps are derived from what agents really send; accuracy on a labelled sample has a floor."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise.nouns.signals import Phase, Signals, StepKind, Turn
from switchwise.reading.message_signals import Fault, read_message
from switchwise.reading.phases import START, advance, detect, signals
from switchwise.reading.tool_kinds import ToolKind, kind_of_call, kind_of_command

ACCURACY = runpy.run_path(str(Path(__file__).parents[2] / "tools/phase_accuracy.py"))


def signals_of(*turns: Turn, tools: bool | None = None) -> Signals:
    return detect(map(read_message, turns), tools)


def user(text: str = "") -> Turn:
    return Turn("user", text)


def does(*calls: str, arguments: str = "") -> Turn:
    return Turn("assistant", calls=calls, arguments=arguments)


def says(text: str = "Done.") -> Turn:
    return Turn("assistant", text)


def gives(text: str = "", tool: str = "", failed: bool | None = None) -> Turn:
    return Turn("tool", text, tool=tool, failed=failed)


def fault(text: str, tool: str = "get_report", failed: bool | None = None) -> Fault:
    return read_message(gives(text, tool, failed)).fault


# What tools do


@pytest.mark.parametrize(
    ("kind", "names"),
    {
        ToolKind.READ: "Read Grep Glob LS WebSearch search_files read_file list_directory Task web_fetch",
        ToolKind.LOOKUP: "get_user_details search_direct_flight list_all_airports mcp__linear__get_issue lookup_order",
        ToolKind.THINK: "think TodoWrite write_todos TaskCreate AskUserQuestion update_todo_list EnterPlanMode",
        ToolKind.PROPOSE: "ExitPlanMode",
        ToolKind.WRITE: "Edit Write MultiEdit NotebookEdit str_replace_editor write_file create_file delete_file apply_patch",
        ToolKind.DOCUMENT: "update_document create_wiki_page write_docs",
        ToolKind.TRANSACT: "book_reservation cancel_reservation update_reservation_flights send_certificate "
        "transfer_to_human_agents mcp__linear-server__create_issue",
        ToolKind.COMPUTE: "calculate calculator",
        ToolKind.RUN: "Bash execute_bash run_sql_query code_interpreter",
        ToolKind.TEST: "run_tests pytest execute_test_suite",
        ToolKind.FINISH: "submit final_answer finish",
        ToolKind.TRACK: "TaskUpdate TaskOutput Skill",
        ToolKind.OTHER: "magic_function frobnicate",
    }.items(),
)
def test_a_tool_is_known_by_the_words_of_its_name(kind: ToolKind, names: str) -> None:
    assert {name: kind_of_call(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (ToolKind.READ, "ls -la"),
        (ToolKind.READ, "cd src && grep -rn 'def main' . | head -20"),
        (ToolKind.READ, "git diff HEAD~1"),
        (ToolKind.READ, "sed -n '10,20p' app.py"),
        (ToolKind.WRITE, "sed -i 's/a/b/' app.py"),
        (ToolKind.WRITE, "cat > app.py << 'EOF'\nprint('ls')\nEOF"),
        (ToolKind.WRITE, "git commit -am 'Fix it'"),
        (ToolKind.DOCUMENT, "cat >> README.md <<EOF\nUsage\nEOF"),
        (ToolKind.TEST, "cd /repo && python -m pytest -x tests/test_a.py 2>&1 | tail -20"),
        (ToolKind.TEST, "npm run lint"),
        (ToolKind.TEST, "go build ./... && go vet ./..."),
        (ToolKind.RUN, "python main.py --verbose | head"),
        (ToolKind.TRACK, "pip install pytest -q"),
        (ToolKind.TRACK, "cat > reproduce_issue.py << 'EOF'\nimport app\nEOF"),
        (ToolKind.FINISH, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
    ],
)
def test_a_shell_is_known_by_its_command(kind: ToolKind, command: str) -> None:
    assert kind_of_command(command) is kind


def test_an_editor_that_only_views_reads() -> None:
    name = "str_replace_based_edit_tool"
    assert kind_of_call(name, '{"command": "view", "path": "/a.py"}') is ToolKind.READ
    assert kind_of_call(name, '{"command": "insert", "path": "/a.py"}') is ToolKind.WRITE


def test_writing_a_readme_is_documenting() -> None:
    assert kind_of_call("Write", '{"file_path": "/repo/README.md", "content": "..."}') is ToolKind.DOCUMENT


def test_of_several_calls_the_most_telling_one_stands_for_the_turn() -> None:
    assert read_message(does("Read", "Grep", "Edit")).kind is ToolKind.WRITE


def test_a_command_in_a_fenced_block_is_a_call_where_the_agent_has_no_tools() -> None:
    turns = [
        user("Make it faster"),
        says("THOUGHT: look around.\n\n```mswea_bash_command\nls -la\n```"),
        user("<returncode>0</returncode>\n<output>\na.py\n</output>"),
    ]
    assert read_message(turns[1]).kind is ToolKind.READ
    assert signals_of(*turns).step is StepKind.TOOL_RESULT


# Whether a tool failed


@pytest.mark.parametrize(
    "text",
    [
        "Errors found last week: none. The error budget is fine.",
        "The function raises ValueError when the list is empty.",
        "0 errors, 0 warnings",
        '{"error": null, "rows": 3}',
        '{"items": [{"name": "x", "error": "it broke in May"}]}',
        '{"success": true, "error_rate": 0.2}',
        '{"status": "ok", "message": "no failed jobs"}',
        "# errors.py\nclass TargetError(Exception):\n    pass",
        "I found 3 failed payments in March.",
        "",
    ],
)
def test_a_result_that_speaks_of_errors_has_not_failed(text: str) -> None:
    assert fault(text) is Fault.NONE


@pytest.mark.parametrize(
    "text",
    [
        "Error: payment method not found",
        "error: flight HAT030 not available",
        "Traceback (most recent call last):\n  File 'a.py'\nKeyError: 'x'",
        "ValueError: no such user",
        "<tool_use_error>File has not been read yet.</tool_use_error>",
        "Error executing tool search: timed out",
        '{"error": "not found"}',
        "{'error': {'message': 'Incorrect API key'}}",
        '{"data": null, "error": {"code": 404}}',
        '{"success": false, "reason": "no seats"}',
        '{"isError": true, "content": []}',
        '{"status": "error", "detail": "x"}',
        "Tool call failed with error: 'rejected'",
        "Invalid argument: date",
    ],
)
def test_a_result_that_begins_with_an_error_has_failed(text: str) -> None:
    assert fault(text) >= Fault.PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "collected 3 items\n\nFAILED tests/test_a.py::test_b - assert 1 == 2\n=== 1 failed, 2 passed in 0.1s ===",
        "running\nTraceback (most recent call last):\n  File 'a.py', line 1\nImportError: no",
        "--- FAIL: TestX (0.00s)\nFAIL\tpkg\t0.01s",
        "src/main.rs:3:5: error: expected `;`",
        "src/app.ts:3:5: error TS2322: Type 'string'",
        "npm ERR! code ELIFECYCLE",
        "panic: runtime error: index out of range",
        "bash: foo: command not found",
        "make: *** [all] Error 2",
    ],
)
def test_a_crash_in_the_output_of_something_that_ran_is_severe(text: str) -> None:
    assert fault(text, "Bash") is Fault.SEVERE
    assert fault("log\n" * 5_000 + text, "Bash") is Fault.SEVERE


@pytest.mark.parametrize(
    "text",
    [
        "5 passed in 0.1s",
        "0 failed, 3 passed",
        "test_errors.py ...\n3 passed",
        "ok  \tpkg\t0.1s",
        "Found 0 errors",
        "no errors (checked)",
    ],
)
def test_a_run_that_passed_has_not_failed(text: str) -> None:
    assert fault(text, "Bash") is Fault.NONE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<returncode>1</returncode>\n<output>\ncat: x: No such file or directory\n</output>", Fault.PLAIN),
        ("<returncode>1</returncode>\n<output>\n</output>", Fault.NONE),  # grep found nothing
        ("<returncode>0</returncode>\n<output>\nall is well\n</output>", Fault.NONE),
        ("<returncode>0</returncode>\n<output>\nTraceback (most recent call last):\n</output>", Fault.PLAIN),  # piped to head
        ("Exit code 2\nusage: app [-h]", Fault.PLAIN),
        ("Exit code 1\nTypeError: x is undefined", Fault.SEVERE),
    ],
)
def test_an_exit_code_counts_before_words(text: str, expected: Fault) -> None:
    assert fault(text, "bash") is expected


def test_a_status_that_was_set_counts_before_all_words() -> None:
    assert fault("Traceback (most recent call last):", "Bash", failed=False) is Fault.NONE
    assert fault("All is well.", "Read", failed=True) is Fault.PLAIN


def test_a_file_that_describes_a_crash_is_not_a_crash() -> None:
    turns = [
        user("Add a flag"),
        does("bash", arguments='{"command": "cat app.log"}'),
        gives("Traceback (most recent call last):\n", "bash"),
    ]
    assert signals_of(*turns).step is StepKind.TOOL_RESULT


def test_failures_are_counted_in_a_row() -> None:
    fails, works = [does("Bash"), gives(failed=True)], [does("Bash"), gives(failed=False)]
    assert signals_of(user(), *fails, *fails, *fails).failures == 3
    assert signals_of(user(), *fails, *fails, *works).failures == 0
    assert signals_of(user(), *fails, *works, *fails).failures == 1


# Steps


def test_the_first_call_is_first_until_the_assistant_has_spoken() -> None:
    assert signals_of(Turn("system", "You help."), user("Hi")).first
    assert not signals_of(user("Hi"), says("Hello"), user("Again")).first


@pytest.mark.parametrize(
    ("step", "turns"),
    [
        (None, []),
        (None, [Turn("system", "You help.")]),
        (StepKind.USER_TURN, [user("Hi")]),
        (StepKind.TOOL_RESULT, [user("Hi"), does("Read"), gives("x = 1", "Read")]),
        (StepKind.FAILURE, [user("Hi"), does("Read", "Read"), gives(failed=True), gives("fine", failed=False)]),
        (StepKind.USER_TURN, [user("Hi"), does("Bash"), gives(failed=True), user("Stop that")]),
        (StepKind.FINAL_ANSWER, [user("Hi"), does("Edit"), gives(), does("submit"), gives("ok")]),
        (StepKind.FINAL_ANSWER, [user("Cancel it"), says("Sure?"), user("Yes"), does("cancel_booking"), gives('{"id": 1}')]),
        (StepKind.FINAL_ANSWER, [user("What is the weather?"), does("get_weather"), gives("sunny")]),
        (StepKind.TOOL_RESULT, [user("Book it"), says("Who?"), user("Me"), does("get_user"), gives("{}")]),
        (StepKind.FAILURE, [user("Cancel it"), does("cancel_booking"), gives("Error: not allowed", "cancel_booking")]),
    ],
)
def test_the_step_is_derived_from_the_last_turns(step: StepKind | None, turns: list[Turn]) -> None:
    assert signals_of(*turns).step is step


def test_without_tools_results_are_answered() -> None:
    turns = user("Look"), does("Read"), gives("x = 1", "Read")
    assert signals_of(*turns, tools=False).step is StepKind.FINAL_ANSWER
    assert signals_of(*turns, tools=True).step is StepKind.TOOL_RESULT


# Phases

EDITING = [user("Add a flag"), does("Read"), gives(), does("Edit"), gives(), does("Edit"), gives()]


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (Phase.DEBUGGING, "Please fix the crash in the parser"),
        (Phase.DEBUGGING, "It doesn't work: TypeError: x is not a function"),
        (Phase.TESTING, "Now write unit tests for it"),
        (Phase.DOCUMENTING, "Update the README and the docs"),
        (Phase.SUMMARISING, "Summarise the conversation so far."),
        (Phase.SUMMARISING, "Give me a short summary of what you did"),
        (Phase.PLANNING, "Make a plan for the migration, don't write any code"),
    ],
)
def test_what_the_user_asks_for_decides_at_once(phase: Phase, text: str) -> None:
    assert signals_of(user(text)).phase is phase
    assert signals_of(*EDITING, says(), user(text)).phase is phase


@pytest.mark.parametrize(
    "text", ["Write the answer in full, not a summary.", "I am planning a trip", "What is the capital of France?"]
)
def test_a_request_that_names_no_phase_begins_with_planning(text: str) -> None:
    assert signals_of(user(text)).phase is Phase.PLANNING


@pytest.mark.parametrize(
    "text",
    ["Yes.", "ok, thanks", "Yes, please proceed with that booking. Thank you!", "LGTM", "Everything is correct. Go ahead."],
)
def test_what_the_user_agrees_to_is_then_done(text: str) -> None:
    assert signals_of(user("Book a flight"), says("Shall I?"), user(text)).phase is Phase.IMPLEMENTING


@pytest.mark.parametrize(
    "text",
    [
        "Sure! My user id is mia_li_3668.",
        "How do we proceed with that?",
        "Can you confirm the price?",
        "Not yet, do not proceed.",
    ],
)
def test_an_answer_is_not_an_agreement(text: str) -> None:
    assert signals_of(user("Book a flight"), says("Who are you?"), user(text)).phase is Phase.PLANNING


def test_reading_is_planning_and_the_first_change_is_implementing() -> None:
    assert signals_of(*EDITING[:3]).phase is Phase.PLANNING
    assert signals_of(*EDITING[:5]).phase is Phase.IMPLEMENTING


def test_a_plan_that_is_accepted_is_then_implemented() -> None:
    assert signals_of(user("Add a flag"), does("ExitPlanMode"), gives(failed=False)).phase is Phase.IMPLEMENTING
    assert signals_of(user("Add a flag"), does("ExitPlanMode"), gives(failed=True)).phase is Phase.PLANNING


def test_a_test_that_fails_after_a_change_begins_debugging_and_one_that_passes_ends_it() -> None:
    runs = does("Bash", arguments='{"command": "pytest"}')
    failing = [*EDITING, runs, gives("FAILED test_a.py::test_b", "Bash")]
    assert signals_of(*failing).phase is Phase.DEBUGGING
    assert signals_of(*failing, does("Edit"), gives()).phase is Phase.DEBUGGING
    assert signals_of(*failing, does("Edit"), gives(), runs, gives("3 passed", "Bash")).phase is Phase.TESTING


@pytest.mark.parametrize("odd", [does("Read"), does("Bash"), does("TodoWrite"), does("WebSearch"), does("Grep", "Read")])
def test_one_odd_step_does_not_change_the_phase(odd: Turn) -> None:
    assert signals_of(*EDITING, odd, gives()).phase is Phase.IMPLEMENTING


def test_one_edit_that_fails_is_not_debugging() -> None:
    signals = signals_of(*EDITING, does("Edit"), gives(failed=True))
    assert (signals.phase, signals.step) == (Phase.IMPLEMENTING, StepKind.FAILURE)


def test_a_new_request_and_reading_lead_back_to_planning() -> None:
    again = [*EDITING, says(), user("What about the other module?"), does("Grep"), gives(), does("Read"), gives()]
    assert signals_of(*again).phase is Phase.PLANNING


def test_writing_documents_twice_is_documenting() -> None:
    writes = does("Write", arguments='{"file_path": "docs/guide.md"}')
    assert signals_of(*EDITING, writes, gives()).phase is Phase.IMPLEMENTING
    assert signals_of(*EDITING, writes, gives(), writes, gives()).phase is Phase.DOCUMENTING


def test_the_evidence_is_given_in_a_few_words() -> None:
    signals = signals_of(user("Add a flag"), does("Edit"), gives("Error: string not found", "Edit"))
    assert signals.because == "failed: Error: string not found; changes by Edit"
    assert len(signals_of(user("fix " * 5_000), does("Bash"), gives("x" * 100_000, failed=True)).because) < 200


# What holds for any conversation

some_turn = st.builds(
    Turn,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.text()
    | st.sampled_from(["yes", "fix it", '{"error"', "{'error': 1}", '{"error": [}', "exit code 99999999999999999999"]),
    st.lists(st.text(max_size=12) | st.sampled_from(["Bash", "Edit", "", "__", "task"]), max_size=3).map(tuple),
    st.text(max_size=40),
    st.sampled_from(["", "Bash", "Read"]) | st.text(max_size=8),
    st.none() | st.booleans(),
)


@given(st.lists(some_turn, max_size=12))
def test_any_conversation_has_signals_and_the_same_ones_when_read_step_by_step(turns: list[Turn]) -> None:
    progress = START
    for at, turn in enumerate(turns, 1):
        progress = advance(progress, read_message(turn))
        assert signals(progress) == signals_of(*turns[:at])


def quickest(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize(
    "text",
    [
        "." * 300,
        "a" * 2_000_000,
        "error " * 300_000,
        "1 " * 1_000_000,
        "\n" * 1_000_000,
        "write " * 300_000,
        "a:1" * 500_000,
        "{" * 1_000_000,
    ],
)
def test_a_long_or_odd_text_is_marked_in_little_time(text: str) -> None:
    turns = [user(text), gives(text, "Bash"), gives(text, "x"), does("Bash", arguments=text), says(text + "```")]
    assert quickest(lambda: [read_message(turn) for turn in turns]) < 0.05


# The labelled sample


@pytest.mark.parametrize(("part", "phase", "step"), [("tuned_on", 0.72, 0.90), ("held_out", 0.70, 0.88)])
def test_phase_and_step_agree_with_the_labels(part: str, phase: float, step: float) -> None:
    found = ACCURACY["calls"](part)
    assert len(found) > 400
    assert ACCURACY["accuracy"](found, lambda call: call.phases)[0] >= phase
    assert ACCURACY["accuracy"](found, lambda call: call.steps)[0] >= step


@pytest.mark.parametrize("part", ["tuned_on", "held_out"])
def test_a_failure_is_hardly_ever_missed_or_made_up(part: str) -> None:
    found = ACCURACY["calls"](part)
    labelled = {call.steps[1] for call in found if call.step == "failure"}
    assert labelled <= {"failure", "tool_result", "user_turn"}
    hits = sum(call.steps == ("failure", "failure") for call in found)
    assert hits / sum(call.step == "failure" for call in found) >= 0.9
    assert hits / sum(call.steps[1] == "failure" for call in found) >= 0.9


def test_no_conversation_is_in_both_parts_of_the_sample() -> None:
    tuned_on, held_out = ({call.conversation for call in ACCURACY["calls"](part)} for part in ("tuned_on", "held_out"))
    assert not tuned_on & held_out
