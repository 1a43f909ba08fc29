"""Sends the prompts of a file with bespokelabs-curator, as its documentation shows it for another OpenAI-compatible endpoint.

Usage: curator.py REQUESTS OUT BASE_URL IN_FLIGHT, where each line of REQUESTS has `messages`, and each line of OUT gets an answer.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

# Curator counts tokens with a file that tiktoken downloads, unless it finds the copy of litellm, on which curator depends.
_litellm = importlib.util.find_spec("litellm")
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(_litellm.origin).parent / "litellm_core_utils" / "tokenizers")

from bespokelabs import curator  # noqa: E402
from datasets import Dataset  # noqa: E402


class Judge(curator.LLM):
    def prompt(self, row):
        return row["messages"]

    def parse(self, row, response):
        return {"row": row["row"], "text": response}


def main() -> None:
    requests, out, base_url, in_flight = sys.argv[1:]
    with open(requests, encoding="utf-8") as lines:
        rows = [{"row": row, "messages": json.loads(line)["messages"]} for row, line in enumerate(lines)]
    judge = Judge(
        model_name="judge",
        backend="openai",
        generation_params={"temperature": 0.7, "top_p": 0.9, "max_tokens": 1024},
        backend_params={
            "base_url": base_url,
            "api_key": "none",
            # Limits that are never reached: only the requests in flight are limited.
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
            "max_concurrent_requests": int(in_flight),
            "require_all_responses": True,
        },
    )
    answers = judge(Dataset.from_list(rows))
    with open(out, "w", encoding="utf-8") as lines:
        for answer in answers.dataset:
            lines.write(json.dumps(answer) + "\n")


main()
