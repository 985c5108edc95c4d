"""Batches of requests through the official SDKs: files in and out, results, partial failures, cancelling and expiry."""

from __future__ import annotations

import json

import anthropic
import httpx
import openai
import pytest

from switchwise.testing import Clock
from switchwise_loopback import Answer, Fault
from switchwise_loopback.openai.batches import read

from .conftest import claude, gpt, post

HOUR = 3_600.0


def line(name, text, **more):
    body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def request(name, text, **more):
    body = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": name, "params": body}


def uploaded(client, *rows):
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    return client.files.create(file=("in.jsonl", content), purpose="batch")


def begun(client, *rows, **more):
    wanted = {"endpoint": "/v1/chat/completions", "completion_window": "24h", **more}
    return client.batches.create(input_file_id=uploaded(client, *rows).id, **wanted)


def get(provider, path, headers=None):
    keys = headers or {"x-api-key": "test", "anthropic-version": "2023-06-01"}
    return httpx.get(f"{provider.anthropic_url}{path}", headers=keys)


def rows_of(client, file_id):
    return [json.loads(row) for row in client.files.content(file_id).text.splitlines()] if file_id else []


def echo(request):
    return Answer(f"you said {request.last_user_text}")


def test_openai_answers_come_as_a_file_and_errors_as_another(serve):
    clock = Clock()
    provider = serve(echo, clock=clock, batch_time={"*": HOUR})
    client = gpt(provider)
    batch = begun(client, line("a", "one"), line("b", "two", temperature=9), line("c", "three"), metadata={"job": "7"})
    assert (batch.status, batch.request_counts.total) == ("validating", 3)
    assert client.batches.retrieve(batch.id).status == "in_progress"
    clock.advance(HOUR)
    done = client.batches.retrieve(batch.id)
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 2, 1)
    assert (done.metadata, done.model, done.expires_at - done.created_at) == ({"job": "7"}, "gpt-6-luna", 86_400)
    good, bad = rows_of(client, done.output_file_id), rows_of(client, done.error_file_id)
    texts = {row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in good}
    assert texts == {"a": "you said one", "c": "you said three"}
    assert [(row["custom_id"], row["response"]["status_code"], row["error"]) for row in bad] == [("b", 400, None)]
    assert [seen.batch for seen in provider.requests if seen.api == "chat"] == [batch.id] * 3
    assert [each.id for each in client.batches.list(limit=1)] == [batch.id]


def test_openai_fails_a_batch_whose_file_is_wrong_and_says_where(provider):
    client = gpt(provider)
    rows = [line("a", "x"), "{", line("a", "y"), {**line("b", "z"), "url": "/v1/responses"}]
    failed = client.batches.retrieve(begun(client, *rows).id)
    assert failed.status == "failed"
    codes = [(error.line, error.code) for error in failed.errors.data]
    assert codes == [(2, "invalid_json_line"), (3, "duplicate_custom_id"), (4, "invalid_url")]
    assert not [seen for seen in provider.requests if seen.batch], "nothing of it was made"
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h")


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\u2029"])
def test_openai_reads_a_line_up_to_its_line_feed(serve, mark):
    client = gpt(serve(echo, batch_time={"*": 0.0}))
    rows = [json.dumps(line(name, f"one{mark}two"), ensure_ascii=False) for name in ("a", "b")]
    done = client.batches.retrieve(begun(client, *rows, "").id)
    assert (done.errors, done.request_counts.total) == (None, 2)


def test_openai_expires_what_is_not_done_in_a_day_and_keeps_what_was(serve):
    clock = Clock()
    client = gpt(serve(echo, clock=clock, batch_time={"*": 32 * HOUR}))
    batch = begun(client, *[line(str(i), "x") for i in range(4)])
    clock.advance(25 * HOUR)
    done = client.batches.retrieve(batch.id)
    assert (done.status, len(rows_of(client, done.output_file_id))) == ("expired", 3)
    (late,) = rows_of(client, done.error_file_id)
    assert (late["custom_id"], late["response"], late["error"]["code"]) == ("3", None, "batch_expired")


def test_openai_cancels_and_files_can_be_deleted(serve):
    clock = Clock()
    client = gpt(serve(echo, clock=clock, batch_time={"*": 2 * HOUR}))
    batch = begun(client, line("a", "x"), line("b", "y"))
    clock.advance(HOUR)
    assert client.batches.cancel(batch.id).status == "cancelling"
    done = client.batches.retrieve(batch.id)
    assert (done.status, [row["custom_id"] for row in rows_of(client, done.output_file_id)]) == ("cancelled", ["a"])
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)
    client.files.delete(done.output_file_id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(done.output_file_id)


def test_anthropic_streams_results_once_all_have_ended(serve):
    clock = Clock()
    provider = serve(echo, clock=clock, batch_time={"*": HOUR})
    client = claude(provider)
    wanted = [request("a", "one"), request("b", "two", temperature=7), request("c", "three")]
    batch = client.messages.batches.create(requests=wanted)
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
    clock.advance(HOUR / 2)
    assert client.messages.batches.retrieve(batch.id).request_counts.succeeded == 0
    with pytest.raises(anthropic.AnthropicError):
        client.messages.batches.results(batch.id)
    early = get(provider, f"/v1/messages/batches/{batch.id}/results")
    assert (early.status_code, early.json()["error"]["message"]) == (
        404,
        f"Message Batch {batch.id} has no available results.",
    )
    with pytest.raises(anthropic.BadRequestError, match="is still in progress: cancel it before you delete it"):
        client.messages.batches.delete(batch.id)
    clock.advance(HOUR)
    ended = client.messages.batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.errored) == ("ended", 2, 1)
    found = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert found["a"].message.content[0].text == "you said one"
    assert found["a"].message.usage.service_tier == "batch"
    assert found["b"].error.error.type == "invalid_request_error"
    assert [each.id for each in client.messages.batches.list()] == [batch.id]
    with pytest.raises(anthropic.BadRequestError, match="has already ended"):
        client.messages.batches.cancel(batch.id)
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"


def test_anthropic_cancels_and_expires(serve):
    clock = Clock()
    client = claude(serve(echo, clock=clock, batch_time={"*": 48 * HOUR}))
    first, second = (client.messages.batches.create(requests=[request("a", "x"), request("b", "y")]) for _ in range(2))
    clock.advance(23 * HOUR)
    assert client.messages.batches.cancel(first.id).processing_status == "canceling"
    clock.advance(2 * HOUR)
    kinds = [[each.result.type for each in client.messages.batches.results(batch.id)] for batch in (first, second)]
    assert kinds == [["canceled", "canceled"], ["succeeded", "expired"]]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "at least 1"),
        ([request("has space", "x")], "requests.0.custom_id: String should match pattern"),
        ([request("a", "x"), request("a", "y")], "must be unique"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        (None, "requests: Field required"),
        ({}, "requests: Input should be a valid list"),
        ([request("a", "x", stream=True)], "requests.0.params.stream: Streaming is not supported in message batches"),
    ],
)
def test_anthropic_refuses_what_is_wrong_with_ids(provider, requests, said):
    response = post(provider, "/v1/messages/batches", {"requests": requests})
    assert response.status_code == 400
    assert said in response.json()["error"]["message"]


def test_openai_lists_files_and_refuses_what_is_no_file_and_no_batch(provider):
    client = gpt(provider)
    file, other = uploaded(client, line("a", "x")), client.files.create(file=("notes.txt", b"x"), purpose="user_data")
    assert [each.id for each in client.files.list()] == [other.id, file.id]
    assert client.files.retrieve(other.id).filename == "notes.txt"
    form = httpx.post(f"{provider.openai_url}/files", files={"file": b"x"}, headers={"authorization": "Bearer k"})
    wanted = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    for answer, said in (
        (form, "Missing required parameter: 'purpose'."),
        (post(provider, "/v1/files", {}), "Invalid Content-Type: send multipart/form-data."),
        (post(provider, "/v1/batches", {}), "Missing required parameter: 'input_file_id'."),
        (post(provider, "/v1/batches", {**wanted, "completion_window": "1h"}), "'completion_window' must be '24h'"),
        (post(provider, "/v1/batches", {**wanted, "endpoint": "/v1/embeddings"}), "Invalid value: '/v1/embeddings'."),
        (post(provider, "/v1/batches", {**wanted, "input_file_id": other.id}), "Invalid file purpose 'user_data'"),
        (get(provider, "/v1/batches?limit=few", {"authorization": "Bearer test"}), "limit"),
    ):
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
        assert said in answer.json()["error"]["message"]
    assert get(provider, "/v1/batches/a/b/c", {"authorization": "Bearer test"}).status_code == 404
    assert get(provider, "/v1/messages/batches/a/b/c").status_code == 404


def test_openai_names_the_line_and_the_field_that_is_wrong(provider):
    client = gpt(provider)
    rows = [{**line("a", "x"), "custom_id": 7}, {"custom_id": "b", "method": "POST"}, {**line("c", "x"), "method": "GET"}]
    rows.append({**line("d", "x"), "body": {}})
    failed = client.batches.retrieve(begun(client, *rows).id)
    assert [(each.line, each.param) for each in failed.errors.data] == [
        (1, "custom_id"),
        (2, "body"),
        (3, "method"),
        (4, "body.model"),
    ]
    empty = client.files.create(file=("in.jsonl", b""), purpose="batch")
    wanted = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    failed = client.batches.retrieve(client.batches.create(input_file_id=empty.id, **wanted).id)
    assert [(each.code, each.line) for each in failed.errors.data] == [("empty_file", None)]
    assert read(b"{}\n" * 50_001, "/v1/responses")[1][-1]["code"] == "too_many_tasks"


def test_a_streamed_request_of_a_batch_fails_alone(serve):
    client = gpt(serve(echo))
    done = client.batches.retrieve(begun(client, line("a", "x", stream=True), line("b", "y")).id)
    (bad,) = rows_of(client, done.error_file_id)
    assert (bad["custom_id"], bad["response"]["body"]["error"]["param"]) == ("a", "stream")
    assert done.request_counts.completed == 1


def test_faults_strike_requests_of_a_batch_or_the_endpoint_itself(serve):
    provider = serve(echo)
    client = gpt(provider)
    provider.inject(Fault.SERVER_ERROR, api="chat")
    batch = begun(client, line("a", "x"), line("b", "y"))
    done = client.batches.retrieve(batch.id)
    assert [row["response"]["status_code"] for row in rows_of(client, done.error_file_id)] == [500]
    provider.inject(Fault.RATE_LIMIT, api="batches")
    with pytest.raises(openai.RateLimitError):
        client.batches.retrieve(batch.id)
    provider.inject(Fault.RESET, provider="anthropic", api="batches")
    with pytest.raises(anthropic.APIConnectionError):
        claude(provider).messages.batches.list()
    assert client.batches.retrieve(batch.id).status == "completed"


def test_batches_belong_to_their_key(provider):
    batch = begun(gpt(provider), line("a", "x"))
    with pytest.raises(openai.NotFoundError):
        gpt(provider, api_key="other").batches.retrieve(batch.id)
