"""Prints the tables of a run's report as Markdown, and judgments of the same pairs by the first judge and the last.

    python examples/smollm2/report_tables.py runs/smollm2-135m/report.html [...]

Of the report alone, so that docs/results says what the report says. Charts and settings are left out.
"""

from __future__ import annotations

import base64
import html
import json
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

LEFT_OUT = {"", "How the judge changed", "Judgments to read", "Settings"}
"""Sections without their place in a table of results; the one without a title is the report's head."""

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
            self._say(f"**{text}**", "")
        elif tag == "p" and self._text is not None:
            if len(text.split()) > 4:  # Shorter ones are legends of charts.
                self._say(text, "")
        elif tag in ("td", "th"):
            self._rows[-1].append(text.replace("( ", "(").replace("|", "\\|"))
        elif tag == "small" and self._text is not None:
            self._text.append(")")
            return
        elif tag == "table":
            head, *rows = self._rows
            ruled = [head, ["---"] * len(head), *rows]
            self._say(*(f"| {' | '.join(row)} |" for row in ruled), "")
            self._rows = []
        else:
            return
        self._text = None

    def _say(self, *lines: str) -> None:
        self.sections[-1][1].extend(lines)


def before_and_after(packed: str) -> list[str]:
    """What the first and the last judge wrote about the same pair in the same order, where only the last was right."""
    lines: list[str] = []
    for pair in map(json.loads, zlib.decompress(base64.b64decode(packed)).decode().splitlines()):
        examples = {(one["iteration"], one["better"]): one["judgments"] for one in pair["examples"]}
        last = max(iteration for iteration, _ in examples)
        for side in ("A", "B"):
            before = [one for one in examples.get((1, side), []) if one["outcome"] in ("wrong", "no verdict")]
            after = [one for one in examples.get((last, side), []) if one["outcome"] == "kept"]
            # One order of a pair shows enough of it.
            is_new = not lines or not lines[-1].startswith(f"| {cell(pair['instruction'])} |")
            if last > 1 and before and after and is_new and len(lines) < EXAMPLES:
                responses = {side: pair["better"], "AB".replace(side, ""): pair["worse"]}
                cells = [pair["instruction"], responses["A"], responses["B"], side, before[0]["text"], after[0]["text"]]
                lines.append(f"| {' | '.join(map(cell, cells))} |")
    if not lines:
        return []
    return ["### Judgments before and after", "", "| " + " | ".join(EXAMPLE_COLUMNS) + " |", "| --- " * 6 + "|", *lines, ""]


def cell(text: str) -> str:
    """One line that Markdown shows as it is."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("*", "\\*").replace("[", "\\[")


def main(paths: list[str]) -> None:
    for path in paths:
        tables = Tables()
        tables.feed(Path(path).read_text(encoding="utf-8"))
        for title, lines in tables.sections:
            if title in LEFT_OUT or not lines:
                continue
            print("\n".join(([f"### {title}", ""] if title else []) + lines))
        if tables.packed:
            print("\n".join(before_and_after(tables.packed)))


if __name__ == "__main__":
    main(sys.argv[1:])
