"""Counts tokens for an estimate: `python -m trainer.count_tokens`.

Reads {checkpoint: folder, trustRemoteCode, conversations: [[{role, content}, ...], ...]} from standard input and prints
{counts: [...]}, the number of tokens of each conversation. It counts the prompt as a model gets it, with the chat
template and the generation prompt. If the tokenizer has no chat template, it counts the tokens of the texts alone.
"""

import json
import sys

from trainer.conversations import encode, load_tokenizer


def main():
    request = json.load(sys.stdin)
    tokenizer = load_tokenizer(request['checkpoint'], request['trustRemoteCode'])
    print(json.dumps({'counts': [count(tokenizer, messages) for messages in request['conversations']]}))


def count(tokenizer, messages):
    if tokenizer.chat_template:
        ids, _ = encode(tokenizer, messages, add_generation_prompt=True)
        return len(ids)
    return sum(len(tokenizer(message['content'])['input_ids']) for message in messages)


if __name__ == '__main__':
    main()
