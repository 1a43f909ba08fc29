"""Writes a checkpoint of a few thousand random weights: `python make_tiny_checkpoint.py FOLDER [POSITIONS]`.

The checkpoint has Llama's architecture and a word-level tokenizer with a chat template, so that a training takes a
second.
"""

import sys

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ['<pad>', '<end>', '<user>', '<assistant>', '<unknown>', 'A', 'B', 'says', 'better', 'is', '[[A]]', '[[B]]']
TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '> ' + message['content'] + ' ' }}"
    "{% if message['role'] == 'assistant' %}{{ '<end> ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}"
)


def main(folder, positions=128):
    torch.manual_seed(0)
    vocabulary = {word: i for i, word in enumerate([*WORDS, *map(str, range(50))])}
    words = Tokenizer(WordLevel(vocabulary, unk_token='<unknown>'))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token='<pad>', eos_token='<end>', unk_token='<unknown>', chat_template=TEMPLATE
    )
    configuration = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=int(positions),
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    LlamaForCausalLM(configuration).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == '__main__':
    main(*sys.argv[1:])
