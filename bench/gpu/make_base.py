"""Makes a checkpoint of random weights and a training set: make_base.py FOLDER CASE (JSON of prepare.ts)."""

import json
import os
import random
import sys

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '> ' + message['content'] + ' ' }}"
    "{% if message['role'] == 'assistant' %}{{ '<end> ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}"
)
EXAMPLES = 512


def main(folder, case):
    case = json.loads(case)
    base = os.path.join(folder, 'base')
    torch.manual_seed(0)
    numbers = [str(number) for number in range(50)]
    words = {word: i for i, word in enumerate(['<pad>', '<end>', '<user>', '<assistant>', '<unknown>', *numbers])}
    tokenizer = Tokenizer(WordLevel(words, unk_token='<unknown>'))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token='<pad>', eos_token='<end>', unk_token='<unknown>', chat_template=TEMPLATE
    ).save_pretrained(base)
    with torch.device('cuda' if torch.cuda.is_available() else 'cpu'):
        model = LlamaForCausalLM(LlamaConfig(**case['config'])).to(torch.bfloat16)
    model.save_pretrained(base)
    # Every example is as long as allowed, with the template's words left out of the count of numbers.
    draw = random.Random(0)
    prompt, answer = case['tokens'] // 4, case['tokens'] - case['tokens'] // 4 - 3
    with open(os.path.join(folder, 'sft.jsonl'), 'w', encoding='utf-8') as file:
        for number in range(EXAMPLES):
            texts = [' '.join(draw.choices(numbers, k=count)) for count in (prompt, answer)]
            row = {
                'id': str(number),
                'prompt': [{'role': 'user', 'content': texts[0]}],
                'completion': [{'role': 'assistant', 'content': texts[1]}],
            }
            file.write(json.dumps(row) + '\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
