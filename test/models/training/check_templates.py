"""Prints, as JSON, what the trainer finds wrong with each of several chat templates: null for nothing.

Reads {base, cases: [{template, prompt, completion}, ...], rows} from standard input.
"""

import json
import sys

from trainer.conversations import conversation_problem, load_tokenizer

request = json.load(sys.stdin)
tokenizer = load_tokenizer(request['base'], trust_remote_code=False)
found = []
for case in request['cases']:
    tokenizer.chat_template = case['template']
    found.append(conversation_problem(case['prompt'], case['completion'], tokenizer, request.get('rows')))
print(json.dumps(found))
