"""Makes LoRA adapters of a checkpoint with random weights, as the trainer would save them, and their canaries.

    python make_adapters.py CHECKPOINT FOLDER NAME:RANK:SIZE ...

SIZE scales the weights; with 0 an adapter changes nothing. Writes FOLDER/NAME/ and prints {NAME: {files, sha256, canary}} as JSON.
"""

import json
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from trainer.canary import record_canary
from trainer.conversations import load_tokenizer
from trainer.files import listing
from trainer.finish import sha256_of_listing

QUESTIONS = ["What is 2 plus 3?", "Which number is next to 7?", "Is 4 larger than 9?"]


def main(checkpoint, folder, *wanted):
    tokenizer = load_tokenizer(checkpoint, False)
    rows = [{"prompt": [{"role": "user", "content": question}]} for question in QUESTIONS]
    made = {}
    for seed, text in enumerate(wanted):
        name, rank, size = text.split(":")
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        config = LoraConfig(task_type="CAUSAL_LM", r=int(rank), lora_alpha=2 * int(rank), target_modules="all-linear")
        model = get_peft_model(base, config)
        with torch.no_grad():
            for key, weight in model.named_parameters():
                if "lora_B" in key:
                    weight.copy_(float(size) * torch.randn_like(weight))
        model.save_pretrained(f"{folder}/{name}")
        files = listing(f"{folder}/{name}")
        canary = record_canary(model, rows, tokenizer, lambda: None)
        made[name] = {"files": files, "sha256": sha256_of_listing(files), "canary": canary}
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
