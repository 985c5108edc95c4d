"""Contents of histories and settings, and their required form at each target: the rows of `docs/design/portability.md`.

Each case is sent through an adapter for every protocol that it concerns, and the received request is checked.
"""

from __future__ import annotations

import re

from switchwise.testing.adapters.cases import (
    ASK,
    MORE,
    PICTURE,
    Case,
    answer,
    called,
    ids_fit,
    in_place,
    longest,
    names_fit,
    no_marks,
    result,
    shown_later,
    spoken,
    system,
    user,
)
from switchwise.testing.adapters.face import TOOL

CASES: tuple[Case, ...] = (
    Case(
        "thinking, redacted thinking and their signatures, of another model",
        "400: the signature is not its own",
        "text and tool calls",
        lambda dialect: dialect.protocol in ("anthropic", "openai-chat", "openai-responses", "chat-completions", "mistral"),
        [ASK],
        no_marks,
        tools=[TOOL],
        begun_by="anthropic",
    ),
    Case(
        "a tool loop that began without thinking",
        '400: "Expected `thinking`, but found `tool_use`"',
        "thinking is off until the next turn",
        lambda dialect: dialect.protocol == "anthropic",
        [ASK, called("call_1"), result("call_1")],
        lambda _, body, __: (body.get("thinking") or {}).get("type", "disabled") == "disabled",
        tools=[TOOL],
        thinking=True,
    ),
    Case(
        "ids of calls that are too long, or have other characters",
        "400",
        "their digest, always the same, with the call and with its result",
        lambda dialect: bool(dialect.ids.longest or dialect.ids.pattern),
        [ASK, called("call.1:2/3|" + "x" * 80), result("call.1:2/3|" + "x" * 80), MORE],
        ids_fit,
    ),
    Case(
        "ids that are used again",
        "400, or the first result once more",
        "a number behind them",
        lambda dialect: dialect.ids.once,
        [ASK, called("call_1"), result("call_1"), called("call_1"), result("call_1"), MORE],
        ids_fit,
    ),
    Case(
        "calls without an id",
        "400",
        "an id made of their place",
        lambda _: True,
        [ASK, called(""), result(""), MORE],
        ids_fit,
    ),
    Case(
        "names of tools that were, with other characters or too long",
        "400",
        "`_` instead, cut at the longest",
        lambda dialect: dialect.tools.longest_name > 0,
        [ASK, called("call_1", name="look up: " + "x" * 150), result("call_1"), MORE],
        names_fit,
    ),
    Case(
        "pictures in a tool's result",
        "400: text is expected; or dropped without a word",
        "the text; what it shows follows as a user's message, after all results",
        lambda dialect: not dialect.media_in_results and "image" in (dialect.media or {}),
        [ASK, called("a", "b"), result("a", [{"type": "text", "text": "found"}, PICTURE]), result("b")],
        shown_later,
    ),
    Case(
        "a user who says nothing",
        "400: text must not be empty",
        "`(no text)`",
        lambda dialect: not dialect.blank_user,
        [user(" "), answer("Yes?"), ASK],
        lambda turns, _, __: all(turn.text.strip() for turn in turns),
    ),
    Case(
        "an answer that says and calls nothing",
        "400: an empty message",
        "nothing",
        lambda dialect: not dialect.blank_answer,
        [ASK, answer(""), MORE],
        lambda turns, _, __: all(turn.role != "assistant" or turn.text.strip() for turn in turns),
    ),
    Case(
        "an assistant who speaks first",
        "400: a user must be first",
        "`(The conversation begins.)`",
        lambda dialect: dialect.turns.user_first,
        [answer("Hello."), ASK],
        lambda turns, _, __: spoken(turns)[0].role == "user",
    ),
    Case(
        "nobody but the system",
        "400: a user must be first",
        "`(The conversation begins.)`",
        lambda dialect: dialect.turns.user_first,
        [system("Say hello.")],
        lambda turns, _, __: [turn.role for turn in spoken(turns)] == ["user"],
    ),
    Case(
        "several system messages at the start",
        "the client raises",
        "one, with all that they say",
        lambda dialect: dialect.turns.one_system,
        [system("Be brief."), system("Be kind."), ASK],
        lambda turns, _, __: (
            [bool(re.search(r"(?s)brief.*kind", turn.text)) for turn in turns if turn.role == "system"] == [True]
        ),
    ),
    Case(
        "system messages in mid-conversation",
        "the client raises; dropped; moved to the front, so that a cached beginning changes; 400",
        "in place, as `<system>` in a user's message; Anthropic's newest models take them as they are where an answer follows",
        lambda dialect: dialect.turns.system_in_place,
        [system("Be brief."), ASK, answer("There."), system("Be kind."), MORE],
        in_place,
    ),
    Case(
        "a user's word behind a tool's result",
        "400: `invalid_request_message_order`",
        "`(Noted.)` of the assistant between them",
        lambda dialect: dialect.turns.answer_between,
        [ASK, called("call_1"), result("call_1"), user("Stop.")],
        lambda turns, _, __: [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant", "user"],
    ),
    Case(
        "another model's answer at the end",
        "400: no prefill",
        "`Go on.` after it, for this call",
        lambda dialect: dialect.turns.no_prefill,
        [ASK],
        lambda turns, _, __: [turn.role for turn in spoken(turns)] == ["user", "assistant", "user"],
        begun_by="openai-chat",
    ),
    Case(
        "cache marks on blocks",
        "400: an unknown parameter",
        "the block without them",
        lambda dialect: not dialect.cache_marks,
        [user([{"type": "text", "text": "Where is it?", "cache_control": {"type": "ephemeral"}}])],
        no_marks,
    ),
    Case(
        "the limit of the answer, in anybody's word",
        "the client raises, or 400",
        "the target's own word",
        lambda dialect: dialect.name != "azure",
        [ASK],
        longest,
        settings={"max_tokens": 77},
    ),
    Case(
        "a limit of the answer below the thinking's budget",
        "400",
        "the budget is added: it counts to the answer",
        lambda dialect: dialect.protocol == "anthropic",
        [ASK],
        lambda _, body, __: body["max_tokens"] > body["thinking"]["budget_tokens"],
        settings={"max_tokens": 77},
        thinking=True,
    ),
    Case(
        "a `temperature` above the highest",
        "400",
        "the highest",
        lambda dialect: dialect.settings.hottest < 2,
        [ASK],
        lambda _, body, dialect: body.get("temperature", 0) <= dialect.settings.hottest,
        settings={"temperature": 1.5},
    ),
    Case(
        "`tool_choice` in the words of one provider",
        "400, or a tool that is called `required`",
        "the target's own word",
        lambda dialect: dialect.protocol in ("anthropic", "openai-chat", "chat-completions"),
        [ASK],
        lambda _, body, dialect: (
            body["tool_choice"] == "required" if dialect.protocol != "anthropic" else body["tool_choice"]["type"] == "any"
        ),
        tools=[TOOL],
        settings={"tool_choice": "required"},
    ),
)
"""Requirements of every adapter, listed in the docs."""

UNSUPPORTED: tuple[Case, ...] = (
    Case(
        "`tool_choice` none",
        "a tool that is called `none`; the client raises",
        "nothing: `UNSUPPORTED`, another target is asked",
        lambda dialect: not dialect.tools.none,
        [ASK],
        lambda *_: False,
        tools=[TOOL],
        settings={"tool_choice": "none"},
    ),
    Case(
        "`tool_choice` of one tool among several",
        "400",
        "nothing: `UNSUPPORTED`, another target is asked",
        lambda dialect: not dialect.tools.named,
        [ASK],
        lambda *_: False,
        tools=[TOOL, {**TOOL, "function": {**TOOL["function"], "name": "write_down"}}],
        settings={"tool_choice": "look_up"},
    ),
    Case(
        "a sound",
        "400, or the client raises",
        "nothing: `UNSUPPORTED`, another target is asked",
        lambda dialect: "audio" not in (dialect.media or {}),
        [
            user(
                [
                    {"type": "text", "text": "hear"},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                ]
            )
        ],
        lambda *_: False,
    ),
)
"""Content that a target cannot take."""
ELSEWHERE = (
    # rows of the docs that no request can show for all three adapters, and the test that holds each
    (
        "reasoning items and ids of stored Responses",
        "another model or endpoint",
        "400: the item is not found",
        "text and tool calls",
    ),
    (
        "`reasoning_content`, `reasoning_details`, `extra_content` of calls",
        "the model that gave them; everybody else",
        "400 in a tool loop; 400: an unknown field",
        "sent back with answers that call tools, where the framework reads them (clients, LlamaIndex); nothing",
    ),
    ("blocks of tools that one provider ran itself", "the other", "400: an unknown block", "the text that came of them"),
    (
        "Anthropic's documents and search results, `input_text` and its kin of Responses, Gemini's `media`, plain texts",
        "the others",
        "400, or dropped without a word",
        "the same in the target's words",
    ),
    (
        "a file by its address, a file that another provider keeps",
        "who cannot read it",
        "400, or the client raises",
        "nothing: `UNSUPPORTED`, another target is asked",
    ),
    (
        "results of tools as Anthropic's users give them, in a user's message",
        "OpenAI",
        "400: an unknown block",
        "tool messages",
    ),
    (
        "calls whose arguments are not JSON, of others, with a result (LangChain)",
        "all",
        "400: a result without its call",
        "calls with their text as `_raw`; those without a result are left out",
    ),
    (
        "JSON of Bedrock, a list of no parts",
        "OpenAI; others",
        "400: an unknown block; an empty list",
        "text; an empty text",
    ),
    (
        "`ChatMessage`, `FunctionMessage`",
        "all but Chat Completions",
        "the client raises",
        "user, assistant and system messages",
    ),
    ("the name of a result that is spelt otherwise than its call", "Gemini", "400", "none: it is known by its call"),
    ("a dot in the name of a document", "Bedrock Converse", "400", "a space"),
    (
        "calls of other models",
        "NVIDIA",
        "left out, so that their results are refused",
        "also in `additional_kwargs`, where its integration looks",
    ),
    ("settings of a call", "Ollama", "the client raises", "`options`, with those that the model has"),
    ("settings of one provider, with the call or with the tools", "the others", "the client raises", "nothing"),
    ("settings of Chat Completions", "Responses", "the client raises", "nothing"),
    ("`temperature`, `top_p`, `top_k`", "models that take none, and while thinking", "400", "nothing"),
    ("reasoning settings", "models that do not reason", "400", "nothing"),
    (
        "JSON mode without a schema",
        "Anthropic, Bedrock Converse",
        "the client raises",
        "nothing: `UNSUPPORTED`, another target is asked",
    ),
    (
        "what one provider keeps or calls (`previous_response_id`, `conversation`, `prompt`, `mcp_servers`)",
        "the others",
        "the request would say something else",
        "nothing: `UNSUPPORTED`, another target is asked",
    ),
    ("`stream_options` of None", "all", "sent as null, or all the same", "nothing"),
    (
        "tools that one provider runs itself",
        "the others",
        "a client tool that nobody has",
        "nothing: only that provider's targets are eligible",
    ),
)
