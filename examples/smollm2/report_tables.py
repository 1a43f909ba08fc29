"""Prints the tables of a run's report as Markdown, and judgments of the same pairs by the first judge and by the last one.

    python examples/smollm2/report_tables.py runs/smollm2-135m/report.html [...]

It reads only the report, so that docs/results agrees with it. Charts and settings are omitted.
"""

from __future__ import annotations

import base64
import html
import json
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

OMITTED = {"", "How the judge changed", "Judgments", "Settings"}
"""Sections that are not printed; the one without a title is the head of the report."""

EXAMPLES = 5

EXAMPLE_COLUMNS = ["Instruction", "Response A", "Response B", "Better", "The first judge", "The last one"]


class Tables(HTMLParser):
    """Collects headings, paragraphs and tables as lines of Markdown, by section."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[tuple[str, list[str]]] = [("", [])]
        self.packed = ""
        self._text: list[str] | None = None
        self._rows: list[list[str]] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("svg", "style", "script", "details", "select"):
            self._hidden += 1
            if tag == "script" and dict(attrs).get("id") == "judgment-data":
                self._text = []
        elif self._hidden:
            return
        elif tag in ("h2", "h3", "p", "td", "th"):
            self._text = []
        elif tag == "tr":
            self._rows.append([])
        elif tag == "small" and self._text is not None:
            self._text.append(" (")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        text = " ".join("".join(self._text or []).split())
        if tag in ("svg", "style", "script", "details", "select"):
            self._hidden -= 1
            if tag == "script" and self._text is not None:
                self.packed, self._text = text, None
        elif self._hidden:
            return
        elif tag == "h2":
            self.sections.append((text, []))
        elif tag == "h3":
            self._add_lines(f"**{text}**", "")
        elif tag == "p" and self._text is not None:
            if len(text.split()) > 4:  # shorter paragraphs are legends of charts
                self._add_lines(text, "")
        elif tag in ("td", "th"):
            self._rows[-1].append(text.replace("( ", "(").replace("|", "\\|"))
        elif tag == "small" and self._text is not None:
            self._text.append(")")
            return
        elif tag == "table":
            head, *rows = self._rows
            ruled = [head, ["---"] * len(head), *rows]
            self._add_lines(*(f"| {' | '.join(row)} |" for row in ruled), "")
            self._rows = []
        else:
            return
        self._text = None

    def _add_lines(self, *lines: str) -> None:
        self.sections[-1][1].extend(lines)


def before_and_after(packed: str) -> list[str]:
    """Judgments of the same pair in the same order by the first judge and the last one, if only the last one is correct."""
    lines: list[str] = []
    for pair in map(json.loads, zlib.decompress(base64.b64decode(packed)).decode().splitlines()):
        examples = {(example["iteration"], example["better"]): example["judgments"] for example in pair["examples"]}
        last = max(iteration for iteration, _ in examples)
        for side in ("A", "B"):
            before = [judgment for judgment in examples.get((1, side), []) if judgment["outcome"] in ("incorrect", "no verdict")]
            after = [judgment for judgment in examples.get((last, side), []) if judgment["outcome"] == "kept"]
            # Each pair is printed in one order only.
            is_new = not lines or not lines[-1].startswith(f"| {cell(pair['instruction'])} |")
            if last > 1 and before and after and is_new and len(lines) < EXAMPLES:
                responses = {side: pair["better"], "AB".replace(side, ""): pair["worse"]}
                cells = [pair["instruction"], responses["A"], responses["B"], side, before[0]["text"], after[0]["text"]]
                lines.append(f"| {' | '.join(map(cell, cells))} |")
    if not lines:
        return []
    return ["### Judgments before and after", "", "| " + " | ".join(EXAMPLE_COLUMNS) + " |", "| --- " * 6 + "|", *lines, ""]


def cell(text: str) -> str:
    """The text as one line, with the special characters of Markdown escaped."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("*", "\\*").replace("[", "\\[")


def main(paths: list[str]) -> None:
    for path in paths:
        tables = Tables()
        tables.feed(Path(path).read_text(encoding="utf-8"))
        for title, lines in tables.sections:
            if title in OMITTED or not lines:
                continue
            print("\n".join(([f"### {title}", ""] if title else []) + lines))
        if tables.packed:
            print("\n".join(before_and_after(tables.packed)))


if __name__ == "__main__":
    main(sys.argv[1:])
