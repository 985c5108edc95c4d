"""OpenAI's Files and Batches: a JSONL file of requests in, files of answers and of errors out.

| request | |
|---|---|
| POST /v1/files (multipart: `file`, `purpose`) | the file object |
| GET /v1/files, /v1/files/{id}, /v1/files/{id}/content; DELETE /v1/files/{id} | |
| POST /v1/batches (`input_file_id`, `endpoint`, `completion_window`) | the batch object, `validating` |
| GET /v1/batches, /v1/batches/{id}; POST /v1/batches/{id}/cancel | |

Rules:
1. What is wrong with the file fails the whole batch (`failed`, with `errors` by line), not the request that made it.
2. A request that was answered is a line of the output file; one that failed, expired or was cancelled, a line of the error file.
3. A file that would be empty does not exist.

Source: the types of openai 2.54, documentation of the Batch API, output files published in issues. Not recorded: the words for requests of a
cancelled batch, and the order of the lines.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from ..nouns.errors import Reject, invalid, json_object
from ..serving.jobs import WINDOW, Asked, Item, Job, Jobs, Made, json_response, lines
from ..serving.transport import Response

MOST = 50_000
"""Most requests in a file."""
ENDPOINTS = ("/v1/chat/completions", "/v1/responses")
_TOLD = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}


class Batches:
    """The endpoints of files and batches.

    Parameters:
        clock, make, seconds, seed: as of `Jobs`.
    """

    provider = "openai"

    def __init__(
        self, clock: Callable[[], float], make: Callable[[str, str, Item], Made], seconds: Mapping[str, float], seed: int
    ) -> None:
        self.jobs = Jobs(clock, make, seconds, seed)
        self._lock = threading.Lock()
        self._files: dict[str, tuple[str, dict[str, Any], bytes]] = {}

    def clear(self) -> None:
        """Remove all files and batches."""
        self.jobs.clear()
        with self._lock:
            self._files.clear()

    def api(self, path: str) -> str | None:
        """Return `files`, `batches`, or None for another path."""
        word = path.removeprefix("/v1/").split("/")[0]
        return word if path.startswith("/v1/") and word in ("files", "batches") else None

    def respond(self, asked: Asked) -> Response:
        """One request."""
        parts = asked.path.strip("/").split("/")[1:]
        match (asked.method, *parts):
            case ("POST", "files"):
                return json_response(self._uploaded(asked))
            case ("GET", "files"):
                with self._lock:
                    found = [about for key, about, _ in self._files.values() if key == asked.key]
                return json_response({"object": "list", "data": found[::-1], "has_more": False})
            case ("GET", "files", name):
                return json_response(self._file(asked.key, name)[0])
            case ("GET", "files", name, "content"):
                return Response(200, {"content-type": "application/octet-stream"}, self._file(asked.key, name)[1])
            case ("DELETE", "files", name):
                self._file(asked.key, name)
                with self._lock:
                    del self._files[name]
                return json_response({"id": name, "object": "file", "deleted": True})
            case ("POST", "batches"):
                return json_response(self._created(asked))
            case ("GET", "batches"):
                page, more = self.jobs.page(asked.key, asked.query, "after")
                data = [self._batch(job) for job in page]
                ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
                return json_response({"object": "list", "data": data, **ends, "has_more": more})
            case ("GET", "batches", name):
                return json_response(self._batch(self._job(asked.key, name)))
            case ("POST", "batches", name, "cancel"):
                job = self._job(asked.key, name)
                if job.details["errors"] or not self.jobs.cancel(job):
                    status = self._batch(job)["status"]
                    raise Reject(409, f"Cannot cancel a batch with status '{status}'.", "invalid_request_error")
                return json_response({**self._batch(job), "status": "cancelling"})
        raise Reject(404, f"Invalid URL ({asked.method} {asked.path})")

    # -- files -----------------------------------------------------------------------------------------------------

    def _uploaded(self, asked: Asked) -> dict[str, Any]:
        kind = asked.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            raise invalid("Invalid Content-Type: send multipart/form-data.")
        whole = BytesParser(policy=HTTP).parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + asked.body)
        form = {str(part.get_param("name", header="content-disposition")): part for part in whole.iter_parts()}
        if "file" not in form or "purpose" not in form:
            missing = "file" if "file" not in form else "purpose"
            raise invalid(f"Missing required parameter: '{missing}'.", missing, "missing_required_parameter")
        purpose = _payload(form["purpose"]).decode()
        return self._keep(asked.key, form["file"].get_filename() or "upload", purpose, _payload(form["file"]))

    def _keep(self, key: str, name: str, purpose: str, content: bytes) -> dict[str, Any]:
        made = self.jobs.id("file-")
        about = {
            "id": made,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
            "expires_at": int(time.time()) + 30 * 86_400,
        }
        with self._lock:
            self._files[made] = key, about, content
        return about

    def _file(self, key: str, name: str) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            found = self._files.get(name)
        if found is None or found[0] != key:
            raise Reject(404, f"No such File object: {name}", "invalid_request_error", "id")
        return found[1:]

    # -- batches ---------------------------------------------------------------------------------------------------

    def _created(self, asked: Asked) -> dict[str, Any]:
        wanted = json_object(asked.body)
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(wanted.get(name), str):
                raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        if wanted["completion_window"] != "24h":
            raise invalid("Invalid value: 'completion_window' must be '24h'.", "completion_window", "invalid_value")
        if wanted["endpoint"] not in ENDPOINTS:
            raise invalid(f"Invalid value: '{wanted['endpoint']}'.", "endpoint", "invalid_value")
        about, content = self._file(asked.key, wanted["input_file_id"])
        if about["purpose"] != "batch":
            raise invalid(f"Invalid file purpose '{about['purpose']}': expected 'batch'.", "input_file_id")
        items, errors = read(content, wanted["endpoint"])
        job = self.jobs.add("batch_", asked.key, [] if errors else items)
        job.details.update(wanted=wanted, errors=errors)
        return {**self._batch(job), "status": "validating", "in_progress_at": None}

    def _job(self, key: str, name: str) -> Job:
        return self.jobs.get(key, name, f"No batch found with id '{name}'.")

    def _batch(self, job: Job) -> dict[str, Any]:
        wanted, errors, now = job.details["wanted"], job.details["errors"], self.jobs.clock()
        ended = job.begun if errors else job.ended(now)
        done = [item.made for item in job.items if item.made is not None]
        if errors:
            status = "failed"
        elif ended is None:
            status = "in_progress"
        else:
            status = "completed" if len(done) == len(job.items) else "expired" if job.cancelled is None else "cancelled"
        if ended is not None and not errors and "files" not in job.details:
            job.details["files"] = self._written(job, status)
        output, failed = job.details.get("files", (None, None))
        good = sum(made.status == 200 for made in done)
        at = None if ended is None else job.epoch(ended)
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": wanted["endpoint"],
            "model": job.items[0].body.get("model") if job.items else None,
            "errors": {"object": "list", "data": errors} if errors else None,
            "input_file_id": wanted["input_file_id"],
            "completion_window": wanted["completion_window"],
            "status": status,
            "output_file_id": output,
            "error_file_id": failed,
            "created_at": job.epoch(job.begun),
            "in_progress_at": None if errors else job.epoch(job.begun),
            "expires_at": job.epoch(job.begun + WINDOW),
            "finalizing_at": at if status == "completed" else None,
            "completed_at": at if status == "completed" else None,
            "failed_at": at if status == "failed" else None,
            "expired_at": at if status == "expired" else None,
            "cancelling_at": None if job.cancelled is None else job.epoch(job.cancelled),
            "cancelled_at": at if status == "cancelled" else None,
            "request_counts": {"total": len(job.items), "completed": good, "failed": len(done) - good},
            "metadata": wanted.get("metadata"),
        }

    def _written(self, job: Job, status: str) -> tuple[str | None, str | None]:
        """The files of an ended batch: ids of the output and of the error file."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for item in job.items:
            line: dict[str, Any] = {"id": self.jobs.id("batch_req_"), "custom_id": item.custom_id}
            if item.made is None:
                code, message = _TOLD[status]
                bad.append({**line, "response": None, "error": {"code": code, "message": message}})
                continue
            response = {"status_code": item.made.status, "request_id": item.made.id, "body": item.made.body}
            (good if item.made.status == 200 else bad).append({**line, "response": response, "error": None})
        made = [
            self._keep(job.key, f"{job.id}_{name}.jsonl", "batch_output", lines(found))["id"] if found else None
            for name, found in (("output", good), ("error", bad))
        ]
        return made[0], made[1]


def read(content: bytes, endpoint: str) -> tuple[list[Item], list[dict[str, Any]]]:
    """The requests of an input file, and its errors."""
    items: list[Item] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()

    def wrong(code: str, message: str, line: int | None, param: str | None = None) -> None:
        errors.append({"code": code, "message": message, "param": param, "line": line})

    rows = content.decode("utf-8", "replace").removesuffix("\n").split("\n") if content else []  # a string may hold U+2028
    for number, text in enumerate(rows, 1):
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            wrong("invalid_json_line", "This line is not parseable as valid JSON.", number)
            continue
        body, name = row.get("body"), row.get("custom_id")
        if not isinstance(name, str) or not isinstance(body, dict) or not isinstance(body.get("model"), str):
            missing = "custom_id" if not isinstance(name, str) else "body" if not isinstance(body, dict) else "body.model"
            wrong("missing_required_parameter", f"Missing required parameter: '{missing}'.", number, missing)
        elif row.get("method") != "POST":
            wrong("invalid_method", "The method must be 'POST'.", number, "method")
        elif row.get("url") != endpoint:
            wrong("invalid_url", "The URL provided for this request does not match the batch endpoint.", number, "url")
        elif name in seen:
            wrong("duplicate_custom_id", f"The custom_id '{name}' is not unique.", number, "custom_id")
        elif items and items[0].body["model"] != body["model"]:
            wrong("mismatched_model", "All requests of a batch must name the same model.", number, "body.model")
        else:
            seen.add(name)
            items.append(Item(name, endpoint, body))
    if not rows:
        wrong("empty_file", "The input file is empty.", None)
    if len(rows) > MOST:
        wrong("too_many_tasks", f"A batch holds at most {MOST} requests.", None)
    return items, errors


def _payload(part: Any) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""
