"""Converts the GGUF file of SmolLM2 to a checkpoint folder in Hugging Face layout: float32 weights in safetensors, a tokenizer
with a chat template, and a generation config.

    python convert_gguf.py FILE.gguf FOLDER
"""

import sys
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM


def convert(file: Path, folder: Path) -> None:
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    quantized = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # The configuration still says that the model is quantized, and transformers does not save a quantized model.
    fields = {name: value for name, value in quantized.config.to_dict().items() if name != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**fields)).to(torch.float32)
    model.load_state_dict(quantized.state_dict())
    ends = {"bos_token_id": fields["bos_token_id"], "eos_token_id": fields["eos_token_id"]}
    model.generation_config = GenerationConfig(**ends, pad_token_id=fields["pad_token_id"])
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    # transformers does not read the pre-tokenizer ("smollm") that the GGUF file names. It makes every digit a token.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    convert(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
