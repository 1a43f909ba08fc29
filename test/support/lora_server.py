"""Stands for vLLM in tests: `lora_server.py serve CHECKPOINT --served-model-name NAME --host H --port N --enable-lora ...`.

The embedded server answers, with vLLM's API for adapters (0.32), its names of options and variables, and its errors. An adapter
is merged into a copy of the base when it is loaded, so that answers are those of real weights.

Options of the tests: `--starts FILE` appends the process id; while `--fault FILE` contains `base`, adapters are loaded without
their weights.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "embedded"))

import torch
import uvicorn
from pydantic import BaseModel
from safetensors.torch import load_file, save_file
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from checkpoints import Checkpoint, UnknownModel
from server import RequestLog, create_app

PREFIX = "base_model.model."


class LoadFailed(Exception):
    """A response of vLLM's about an adapter."""

    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind

    def response(self) -> JSONResponse:
        error = {"message": str(self), "type": self.kind, "param": None, "code": self.status}
        return JSONResponse({"error": error}, self.status)


class Models:
    """The base under its name, and the adapters that were loaded beside it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.base = Checkpoint.load(Path(options.checkpoint))
        self.loaded: dict[str, tuple[str, Checkpoint]] = {}
        self.resolver = resolver_folder()

    def names(self) -> list[str]:
        return [self.options.served_model_name, *self.loaded]

    def get(self, name: str) -> Checkpoint:
        if name == self.options.served_model_name:
            return self.base
        if name not in self.loaded:
            self._resolve(name)
        return self.loaded[name][1]

    def _resolve(self, name: str) -> None:
        folder = Path(self.resolver or "/nowhere") / name
        configuration = folder / "adapter_config.json"
        unknown = f"The model `{name}` does not exist. Valid aliases: {self.options.served_model_name}."
        if not self.resolver or not configuration.exists():
            raise UnknownModel(unknown)
        if json.loads(configuration.read_text())["base_model_name_or_path"] != self.options.checkpoint:
            raise UnknownModel(unknown)
        try:
            self.load(name, str(folder))
        except Exception as error:
            logging.warning(
                "Failed to load LoRA '%s' resolved by FilesystemResolver: %s. Trying next resolver.", name, error
            )
            message = f"LoRA adapter '{name}' was found but could not be loaded."
            raise LoadFailed(400, message, "BadRequestError") from None

    def load(self, name: str, folder: str) -> None:
        path = Path(folder)
        if not (path / "adapter_config.json").exists():
            raise LoadFailed(404, f"Loading lora {name} failed: No adapter found for <path>", "NotFoundError")
        config = json.loads((path / "adapter_config.json").read_text())
        rank = config["r"]
        if rank > self.options.max_lora_rank:
            raise failed(f"LoRA rank {rank} is greater than max_lora_rank {self.options.max_lora_rank}.")
        weights = load_file(Path(self.options.checkpoint) / "model.safetensors")
        if fault(self.options) != "base":
            for key, down in load_file(path / "adapter_model.safetensors").items():
                if key.endswith(".lora_A.weight"):
                    self._add(weights, path, key.removesuffix(".lora_A.weight"), down, config["lora_alpha"] / rank)
        with tempfile.TemporaryDirectory() as merged:
            for file in Path(self.options.checkpoint).iterdir():
                shutil.copy(file, merged)
            save_file(weights, Path(merged) / "model.safetensors")
            self.loaded[name] = (folder, Checkpoint.load(Path(merged)))

    def _add(self, weights: dict[str, torch.Tensor], path: Path, module: str, down: torch.Tensor, scale: float) -> None:
        up = load_file(path / "adapter_model.safetensors")[f"{module}.lora_B.weight"]
        target = f"{module.removeprefix(PREFIX)}.weight"
        try:
            weights[target] = weights[target] + scale * (up @ down)
        except RuntimeError as error:
            raise failed(str(error)) from None


def failed(reason: str) -> LoadFailed:
    message = f"Call to add_lora method failed: Worker failed with error '{reason}', please check the stack trace above for the root cause"
    return LoadFailed(500, message, "InternalServerError")


def fault(options: argparse.Namespace) -> str:
    return options.fault.read_text().strip() if options.fault and options.fault.exists() else ""


def may_update() -> bool:
    return os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "0").strip().lower() in ("1", "true")


def resolver_folder() -> str | None:
    plugins = os.environ.get("VLLM_PLUGINS")
    folder = os.environ.get("VLLM_LORA_RESOLVER_CACHE_DIR")
    if not folder or not may_update() or (plugins is not None and "lora_filesystem_resolver" not in plugins.split(",")):
        return None
    if not os.path.isdir(folder):
        raise ValueError("VLLM_LORA_RESOLVER_CACHE_DIR must be set to a valid directory for Filesystem Resolver plugin")
    return folder


class CompletionRequest(BaseModel):
    model: str
    prompt: list[int]
    max_tokens: int = 16
    temperature: float = 1
    logprobs: int | None = None
    return_tokens_as_token_ids: bool = False
    ignore_eos: bool = False


class LoadRequest(BaseModel):
    lora_name: str
    lora_path: str


def routes(models: Models) -> list[Route]:
    def listed(_: Request) -> JSONResponse:
        base = models.options.served_model_name
        cards = [{"id": base, "object": "model", "root": models.options.checkpoint, "parent": None}]
        cards += [{"id": n, "object": "model", "root": path, "parent": base} for n, (path, _) in models.loaded.items()]
        return JSONResponse({"object": "list", "data": cards})

    async def complete(request: Request) -> JSONResponse:
        body = CompletionRequest.model_validate_json(await request.body())
        return await asyncio.to_thread(greedy, models, body)

    async def load(request: Request) -> Response:
        body = LoadRequest.model_validate_json(await request.body())
        name = body.lora_name
        if name == models.options.served_model_name:
            message = f"The lora adapter '{name}' conflicts with a served base model."
            return LoadFailed(400, message, "InvalidUserInput").response()
        if name in models.loaded:
            message = f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True."
            return LoadFailed(400, message, "InvalidUserInput").response()
        await asyncio.to_thread(models.load, name, body.lora_path)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    loading = [Route("/v1/load_lora_adapter", load, methods=["POST"])] if may_update() else []
    return [Route("/v1/models", listed), Route("/v1/completions", complete, methods=["POST"]), *loading]


@torch.inference_mode()
def greedy(models: Models, body: CompletionRequest) -> JSONResponse:
    assert body.temperature == 0 and (body.logprobs is None or body.return_tokens_as_token_ids)
    checkpoint = models.get(body.model)
    tokens: list[int] = []
    steps = []
    while len(tokens) < body.max_tokens:
        logits, _ = checkpoint.model.prefill([body.prompt + tokens], [None])
        found = logits[0].float().log_softmax(-1)
        tokens.append(int(found.argmax()))
        best = found.topk(body.logprobs or 1)
        steps.append({f"token_id:{t}": v for t, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)})
        if tokens[-1] in checkpoint.end_ids and not body.ignore_eos:
            break
    logprobs = {"tokens": [f"token_id:{token}" for token in tokens], "top_logprobs": steps}
    choice = {"index": 0, "text": checkpoint.decode(tokens), "logprobs": logprobs if body.logprobs else None}
    return JSONResponse({"object": "text_completion", "model": body.model, "choices": [choice]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("checkpoint")
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--generation-config")
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-lora-rank", type=int, default=16)
    parser.add_argument("--max-loras", type=int, default=1)
    parser.add_argument("--api-key", default=os.environ.get("VLLM_API_KEY"))
    parser.add_argument("--starts", type=Path)
    parser.add_argument("--fault", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(asctime)s [serving.py:338] %(message)s")
    torch.set_num_threads(1)
    models = Models(options)
    app = create_app(models, RequestLog(None), 1_000_000_000)
    app.router.routes[:0] = routes(models)

    async def authenticate(request: Request, follow) -> Response:
        wanted = options.api_key and request.url.path.startswith("/v1")
        if wanted and request.headers.get("authorization") != f"Bearer {options.api_key}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        return await follow(request)

    async def load_failed(_: Request, error: LoadFailed) -> JSONResponse:
        return error.response()

    async def unknown(_: Request, error: UnknownModel) -> JSONResponse:
        body = {"message": str(error), "type": "NotFoundError", "param": "model", "code": 404}
        return JSONResponse({"error": body}, 404)

    app.add_middleware(BaseHTTPMiddleware, dispatch=authenticate)
    app.add_exception_handler(LoadFailed, load_failed)
    app.add_exception_handler(UnknownModel, unknown)

    if options.starts:
        with options.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    uvicorn.run(app, host=options.host, port=options.port, access_log=False, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
