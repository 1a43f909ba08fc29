"""The verdict of a judgment, as src/method/verdict.ts and src/method/reasoning.ts define it (a test compares both)."""

import re

LETTER = re.compile(r'\[\[([ABC])\]\]')
VERDICTS = {'A': 'A', 'B': 'B', 'C': 'tie'}
# Reasoning begins at the beginning of a line, or behind a special token.
BEFORE_START = re.compile(r'(?:^|\n|\|>(?:assistant)?)[^\S\n]*\Z')


def verdict_of(text, marks):
    """`A`, `B`, `tie` or `none`. `marks` are those around reasoning, `[{start, end}]`."""
    letters = set(LETTER.findall(answer_of(text, marks)))
    return VERDICTS[letters.pop()] if len(letters) == 1 else 'none'


def answer_of(text, marks):
    """What stands behind the last end of reasoning; empty if the reasoning has no end."""
    ends = [match for match in any_of(mark.get('end') for mark in marks).finditer(text) if not is_quoted(text, match)]
    answer = text[ends[-1].end() :] if ends else text
    for match in any_of(mark.get('start') for mark in marks).finditer(answer):
        if BEFORE_START.search(answer[: match.start()][-200:]):
            return ''
    return answer


def any_of(texts):
    """Matches any of the texts, in small or capital letters."""
    escaped = [re.escape(text) for text in texts if text is not None]
    return re.compile('|'.join(escaped) if escaped else r'(?!)', re.IGNORECASE)


def is_quoted(text, match):
    """A mark in quotes or backticks is a part of the text."""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    return before != '' and before == after and before in '`\'"'
