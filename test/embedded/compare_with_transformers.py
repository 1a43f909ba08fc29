"""Prints, as JSON, the differences between the server's forward pass and tokenization and those of transformers."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

EMBEDDED = Path(__file__).resolve().parents[2] / "embedded"
sys.path.insert(0, str(EMBEDDED))

from checkpoints import Checkpoint  # noqa: E402
from llama import Bucket  # noqa: E402

MODEL = EMBEDDED / "model"
STEPS = 6


@torch.inference_mode()
def largest_difference(folder: Path, checkpoint: Checkpoint) -> float:
    """The largest difference of logits, over prompts of several lengths, with and without a cached prefix, and six
    steps of decoding after them."""
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    ids = torch.randint(5, reference.config.vocab_size, (5, 40))
    expected = reference(ids).logits
    rows = torch.arange(len(ids))
    lengths = [3, 11, 20, 31, 32]
    positions = torch.tensor(lengths)
    prompts = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
    logits, caches = checkpoint.model.prefill(prompts, [None] * len(ids))
    difference = (logits - expected[rows, positions - 1]).abs().max()
    again, _ = checkpoint.model.prefill(prompts, [cache[:, :, :, : cache.shape[3] // 2] for cache in caches])
    difference = torch.maximum(difference, (again - logits).abs().max())
    batch_cache = checkpoint.model.new_cache(len(ids), 64)
    for row, cache in enumerate(caches):
        batch_cache[:, :, row, :, : cache.shape[3]] = cache
    # Two buckets, as in the engine when rows have different widths.
    halves = [slice(0, 2), slice(2, None)]
    for _ in range(STEPS):
        buckets = [Bucket(batch_cache[:, :, half], positions[half]) for half in halves]
        logits = checkpoint.model.decode(ids[rows, positions], buckets)
        difference = torch.maximum(difference, (logits - expected[rows, positions]).abs().max())
        positions = positions + 1
    return difference.item()


def main() -> None:
    torch.set_num_threads(1)
    checkpoint = Checkpoint.load(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Judge: Find the first number in 12 87 45. (A) 12 (B) 87"},
    ]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    answer = {"role": "assistant", "content": "The answer is 12. 12 (A), 87 (B). So 12 (A). [[A]]"}
    conversation = tokenizer.apply_chat_template([*messages, answer], return_dict=False)
    print(
        json.dumps(
            {
                "logits": largest_difference(MODEL, checkpoint),
                "samePromptIds": checkpoint.encode(messages) == ids,
                "promptIsPrefix": conversation[: len(ids)] == ids,
                "endsWith": tokenizer.convert_ids_to_tokens(conversation[-1]),
                "decoded": checkpoint.decode(conversation[len(ids) :]),
            }
        )
    )


if __name__ == "__main__":
    main()
