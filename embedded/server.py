"""An OpenAI-compatible server for small checkpoints, on a CPU.

    python embedded/server.py --port 8000 --root embedded/model --root runs

One process serves every checkpoint folder below the given roots: the `model` of a request is the absolute path of a
folder. Concurrent requests are computed in one batch. The same request with the same seed gives the same text, whatever
other requests are in the batch.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import os
import secrets
import socket
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Literal

import torch
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from checkpoints import Checkpoint, Checkpoints, UnknownModel
from engine import MAX_ROWS, Completion, Engine, Job
from llama import UnsupportedCheckpoint
from sampling import Sampling

DEFAULT_ROOT = Path(__file__).resolve().parent / "model"


class ApiError(Exception):
    """An error response in the format of OpenAI's API."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def response(self) -> JSONResponse:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def flat(self) -> dict[str, str]:
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": content}


class ChatRequest(BaseModel):
    """The supported fields of OpenAI's chat completions. Fields that would change the answer but are not supported are
    refused; all others are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str
    messages: list[Message] = Field(min_length=1)
    n: int | None = Field(default=1, ge=1, le=MAX_ROWS)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    temperature: float | None = Field(default=1.0, ge=0, le=2)
    top_p: float | None = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    stream: bool | None = False
    logprobs: bool | None = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    frequency_penalty: float | None = 0.0
    presence_penalty: float | None = 0.0
    logit_bias: dict[str, float] | None = None

    @field_validator("stream", "tools", "frequency_penalty", "presence_penalty", "logit_bias")
    @classmethod
    def _unsupported(cls, value: object) -> object:
        if value:
            raise ValueError("not supported by this server")
        return value

    @field_validator("response_format")
    @classmethod
    def _text_only(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value and value.get("type") != "text":
            raise ValueError("this server supports only the type text")
        return value

    @model_validator(mode="after")
    def _top_of_logprobs(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        return self

    def stops(self) -> tuple[str, ...]:
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in stops if stop)


class RequestLog:
    """Logs each request as a JSON line when it arrives and another when it is answered. Lines are written immediately,
    so a kill loses none. Prompts are logged as a hash."""

    def __init__(self, path: Path | None) -> None:
        self._file = path and path.open("a", buffering=1, encoding="utf-8")

    def log_request(self, body: ChatRequest) -> str:
        name = uuid.uuid4().hex
        if self._file:
            prompt = json.dumps([message.flat() for message in body.messages])
            request = {
                "model": body.model,
                "prompt": hashlib.sha256(prompt.encode()).hexdigest()[:16],
                "seed": body.seed,
                "samples": body.n or 1,
                "maxTokens": body.max_completion_tokens or body.max_tokens,
            }
            self._write(name, "asked", request)
        return name

    def log_response(self, name: str) -> None:
        if self._file:
            self._write(name, "answered", {})

    def _write(self, name: str, event: str, more: dict[str, Any]) -> None:
        line = {"event": event, "id": name, "milliseconds": round(time.time() * 1000), **more}
        self._file.write(json.dumps(line) + "\n")


def describe_logprobs(completion: Completion, checkpoint: Checkpoint) -> dict[str, Any]:
    def described(token: int, logprob: float) -> dict[str, Any]:
        text = checkpoint.piece(token)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    content = [
        {**described(each.token, each.logprob), "top_logprobs": [described(*pair) for pair in each.top]}
        for each in completion.logprobs
    ]
    return {"content": content, "refusal": None}


def create_app(checkpoints: Checkpoints, request_log: RequestLog, cache_bytes: int) -> Starlette:
    failures: list[Exception] = []
    engine = Engine(failures.append, cache_bytes)
    started = int(time.time())

    async def health(_: Request) -> JSONResponse:
        if failures:
            return ApiError(503, f"the engine stopped: {failures[0]!r}").response()
        return JSONResponse({"status": "ok"})

    def describe(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": started, "owned_by": "embedded", "root": name}

    def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [describe(name) for name in checkpoints.names()]})

    def model(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        checkpoints.get(name)
        return JSONResponse(describe(name))

    async def chat(request: Request) -> JSONResponse:
        if failures:
            raise ApiError(503, f"the engine stopped: {failures[0]!r}")
        body = ChatRequest.model_validate_json(await request.body())
        name = request_log.log_request(body)
        checkpoint = checkpoints.get(body.model)
        prompt = checkpoint.encode([message.flat() for message in body.messages])
        room = checkpoint.model.context - len(prompt)
        requested = body.max_completion_tokens or body.max_tokens
        if room < (requested or 1):
            raise ApiError(
                400,
                f"This model's maximum context length is {checkpoint.model.context} tokens. However, you requested "
                f"{len(prompt)} in the messages and {requested or 1} in the completion.",
                "context_length_exceeded",
                "messages",
            )
        sampling = Sampling(
            temperature=1.0 if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            max_tokens=requested or room,
            stop=body.stops(),
        )
        seed = secrets.randbits(48) if body.seed is None else body.seed
        top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
        job = Job(checkpoint, prompt, body.n or 1, seed, sampling, top_logprobs)
        completions = await asyncio.wrap_future(engine.submit(job))
        tokens = sum(completion.tokens for completion in completions)
        request_log.log_response(name)
        return JSONResponse(
            {
                "id": f"chatcmpl-{name}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": body.model,
                "choices": [
                    {
                        "index": index,
                        "message": {"role": "assistant", "content": completion.text, "refusal": None},
                        "finish_reason": completion.finish_reason,
                        "logprobs": describe_logprobs(completion, checkpoint) if body.logprobs else None,
                    }
                    for index, completion in enumerate(completions)
                ],
                "usage": {
                    "prompt_tokens": len(prompt),
                    "completion_tokens": tokens,
                    "total_tokens": len(prompt) + tokens,
                },
            }
        )

    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        return error.response()

    async def unknown_model(_: Request, error: UnknownModel) -> JSONResponse:
        return ApiError(404, str(error), "model_not_found", "model").response()

    async def unsupported(_: Request, error: UnsupportedCheckpoint) -> JSONResponse:
        return ApiError(400, str(error), "model_not_supported", "model").response()

    async def bad_request(_: Request, error: ValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return ApiError(400, f"the body is not valid JSON: {first['ctx']['error']}").response()
        field = ".".join(str(part) for part in first["loc"])
        return ApiError(400, f"{field}: {first['msg']}" if field else first["msg"], None, field or None).response()

    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        return ApiError(error.status_code, f"{request.method} {request.url.path}: {error.detail}").response()

    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return ApiError(500, f"unexpected: {error!r}").response()

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", model),
        ],
        exception_handlers={
            ApiError: api_error,
            UnknownModel: unknown_model,
            UnsupportedCheckpoint: unsupported,
            ValidationError: bad_request,
            HTTPException: no_such_route,
            Exception: unexpected,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free port; the first line of the log names it")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    dtypes = ["float32", "bfloat16"]
    parser.add_argument("--dtype", choices=dtypes, default="float32", help="of weights and cache (default: float32)")
    parser.add_argument("--cache-gigabytes", type=float, default=2, help="size of each model's key-value cache (default: 2)")
    parser.add_argument("--root", type=Path, action="append", metavar="DIR", help="a folder that holds checkpoints; repeatable")
    parser.add_argument("--request-log", type=Path, metavar="FILE", help="append a line for each request and each answer")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        # From now on connections are queued, so a client may connect as soon as the first line is logged.
        listener.listen(2048)
    except OSError as error:
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error.strerror}; choose another with --port")
    cache_bytes = int(options.cache_gigabytes * 1e9)
    # A quarter is for cached prefixes, the rest for running samples.
    prefix_cache_bytes = cache_bytes // 4
    checkpoints = Checkpoints(options.root or [DEFAULT_ROOT], getattr(torch, options.dtype), prefix_cache_bytes)
    app = create_app(checkpoints, RequestLog(options.request_log), cache_bytes - prefix_cache_bytes)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.info("embedded model server on http://%s:%d (process %d)", *listener.getsockname()[:2], os.getpid())
    # On SIGTERM running requests get one second to finish. Clients retry, and a seed gives the same sample again.
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
