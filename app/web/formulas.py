r"""Where LaTeX stands in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` displayed, `\begin{align}` bare.

Money is no mathematics. A single dollar opens only before and closes only after something other than space, never
next to a letter or digit outside; and what reads as words, without a sign of TeX, stays as it was written, as do the
escaped brackets of Markdown ("\[sic\]"). A formula never holds a blank line, so that one stray sign cannot swallow
what follows it. Every search is bounded by a formula's length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from app.web.latex import MAX_FORMULA

MAX_LINES = 40
"""Lines of one displayed formula."""

_CLOSERS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_TEX = re.compile(r"\\[A-Za-z]|[\^_={}]")
_WORDS = re.compile(r"(?:^|\s)[^\W\d_]{2,}(?:[\s,.;:!?)]|$)|[^\W\d_]{4,}")
_ASCII = re.compile("[0-9A-Za-z]")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)\b")
_ENVIRONMENT = re.compile(
    r"\\begin\{((?:equation|align|alignat|flalign|gather|multline|eqnarray|[bBpvV]?matrix|cases|split)\*?)\}"
)


class Formula(NamedTuple):
    """A formula in a text: its LaTeX, whether it is displayed, and where its closing delimiter ends."""

    latex: str
    is_display: bool
    end: int


def find(text: str, start: int, end: int) -> Formula | None:
    r"""The formula whose delimiter ($, $$, \( or \[) stands at `start` and which closes before `end`, or None."""
    opener = text[start : start + 2]
    if opener not in _CLOSERS:
        opener = text[start : start + 1]
    before = text[start - 1 : start]
    if opener not in _CLOSERS or (opener[0] == "$" and before == "$") or (opener == "$" and _ASCII.match(before)):
        return None
    closer = _CLOSERS[opener]
    body = start + len(opener)
    found = _closing(text, closer, body, min(end, body + MAX_FORMULA))
    if found < 0:
        return None
    latex, after = text[body:found], found + len(closer)
    if opener[0] == "$" and text[after : after + 1] == "$":
        return None
    if opener == "$" and not _is_single(latex, text[after : after + 4]):
        return None
    if opener == "\\[" and not re.search("[A-Za-z]", latex):
        return None
    return None if reads_as_words(latex) else Formula(latex, opener in {"$$", "\\["}, after)


def reads_as_words(latex: str) -> bool:
    """Whether what stands between delimiters is ordinary text: nothing, code, or words without any sign of TeX."""
    if not latex.strip() or "`" in latex:
        return True
    return _TEX.search(latex) is None and _WORDS.search(latex) is not None


def _is_single(latex: str, after: str) -> bool:
    """Whether a pair of single dollars can enclose a formula: "$n$th" can, "$5 and $6" and "$A/$B" cannot."""
    if not latex or latex[0].isspace() or latex[-1].isspace():
        return False
    return not (_ASCII.match(after) or after[:1] == "{") or _ORDINAL.match(after) is not None


def _closing(text: str, closer: str, start: int, end: int) -> int:
    """Where `closer` stands, not escaped by an odd number of backslashes before it; -1 if it does not."""
    at = text.find(closer, start, end)
    while at >= 0:
        before = text[start:at]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return at
        at = text.find(closer, at + 1, end)
    return -1


def add_formulas(parser: MarkdownIt) -> None:
    """Teach `parser` formulas: tokens `formula` (inline, or block for those on lines of their own), to be rendered."""
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.block.ruler.before("code", "formula", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    found = find(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content, token.markup = found.latex, state.src[state.pos : found.end]
        token.meta = {"is_display": found.is_display}
    state.pos = found.end
    return True


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A displayed formula whose lines hold nothing else; it may follow a line of text without a blank one."""
    begin, end = state.bMarks[start_line] + state.tShift[start_line], state.eMarks[start_line]
    if state.src[begin : begin + 1] not in {"$", "\\"} or state.is_code_block(start_line):
        return False
    first = state.src[begin:end]
    environment = _ENVIRONMENT.match(first)
    if environment:
        opener, closer = "", f"\\end{{{environment[1]}}}"
    elif first.startswith(("$$", "\\[")):
        opener, closer = first[:2], _CLOSERS[first[:2]]
    else:
        return False
    if state.src.find(closer, begin + len(opener), begin + MAX_FORMULA) < 0:
        return False
    lines = [first[len(opener) :]]
    line = start_line
    while not lines[-1].rstrip().endswith(closer):
        line += 1
        if line >= min(end_line, start_line + MAX_LINES) or closer in lines[-1] or state.sCount[line] < state.blkIndent:
            return False
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if not text.strip():
            return False
        lines.append(text)
    whole = "\n".join(lines).rstrip()
    latex = whole if environment else whole.removesuffix(closer)
    if len(latex) > MAX_FORMULA or (not environment and (closer in latex or reads_as_words(latex))):
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.block, token.map = True, [start_line, line + 1]
        token.content, token.markup = latex, opener + whole
        token.meta = {"is_display": True}
        state.line = line + 1
    return True
