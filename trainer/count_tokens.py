"""Counts tokens for a plan: `python -m trainer.count_tokens`.

Reads {checkpoint: folder, trustRemoteCode, conversations: [[{role, content}, ...], ...]} from standard input, and prints
{counts: [...]}: each conversation as a model is asked it, with its chat template and the beginning of the answer. A
tokenizer without a template counts the texts alone.
"""

import json
import sys


def main():
    asked = json.load(sys.stdin)
    from transformers import AutoTokenizer

    from trainer.data import ids

    tokenizer = AutoTokenizer.from_pretrained(asked['checkpoint'], trust_remote_code=asked['trustRemoteCode'])
    print(json.dumps({'counts': [count(tokenizer, messages, ids) for messages in asked['conversations']]}))


def count(tokenizer, messages, ids):
    if tokenizer.chat_template:
        return len(ids(tokenizer, messages, add_generation_prompt=True))
    return sum(len(tokenizer(message['content'])['input_ids']) for message in messages)


if __name__ == '__main__':
    main()
