"""Prints, as JSON, how far the server's own forward pass and tokenization are from those of transformers."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

EMBEDDED = Path(__file__).resolve().parents[2] / "embedded"
sys.path.insert(0, str(EMBEDDED))

from checkpoints import Checkpoint  # noqa: E402

MODEL = EMBEDDED / "model"
STEPS = 6


@torch.inference_mode()
def largest_difference(checkpoint: Checkpoint) -> float:
    """Of logits, over prompts of several lengths and the words after them."""
    reference = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    torch.manual_seed(0)
    ids = torch.randint(5, reference.config.vocab_size, (5, 40))
    expected = reference(ids).logits
    rows = torch.arange(len(ids))
    positions = torch.tensor([3, 11, 20, 31, 32])
    logits, kept = checkpoint.model.prefill(ids[:, :32], positions)
    difference = (logits - expected[rows, positions - 1]).abs().max()
    cache = checkpoint.model.new_cache(len(ids))
    cache[:, :, :, :, :32] = kept
    for _ in range(STEPS):
        logits = checkpoint.model.decode(ids[rows, positions], positions, cache)
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
    whole = tokenizer.apply_chat_template([*messages, answer], return_dict=False)
    print(
        json.dumps(
            {
                "logits": largest_difference(checkpoint),
                "samePromptIds": checkpoint.encode(messages) == ids,
                "promptIsPrefix": whole[: len(ids)] == ids,
                "endsWith": tokenizer.convert_ids_to_tokens(whole[-1]),
                "decoded": checkpoint.decode(whole[len(ids) :]),
            }
        )
    )


if __name__ == "__main__":
    main()
