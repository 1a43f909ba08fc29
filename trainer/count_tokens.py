"""Counts tokens for an estimate: `python -m trainer.count_tokens`.

Reads {checkpoint: folder, trustRemoteCode, conversations: [[{role, content}, ...], ...]} from standard input and prints
{counts: [...]}, the number of tokens of each conversation. It counts the prompt as a model gets it, with the chat
template and the generation prompt. If the tokenizer has no chat template, it counts the tokens of the texts alone.
"""

import json
import sys


def main():
    request = json.load(sys.stdin)
    from transformers import AutoTokenizer

    from trainer.data import token_ids

    tokenizer = AutoTokenizer.from_pretrained(request['checkpoint'], trust_remote_code=request['trustRemoteCode'])
    print(json.dumps({'counts': [count(tokenizer, messages, token_ids) for messages in request['conversations']]}))


def count(tokenizer, messages, token_ids):
    if tokenizer.chat_template:
        return len(token_ids(tokenizer, messages, add_generation_prompt=True))
    return sum(len(tokenizer(message['content'])['input_ids']) for message in messages)


if __name__ == '__main__':
    main()
