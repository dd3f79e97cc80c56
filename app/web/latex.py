"""LaTeX mathematics as MathML that can do nothing but be read.

latex2mathml builds a tree; what is written from it are only the tags, attributes and values named here, with its texts
escaped (the library's own writer puts them out raw). Commands that define others or repeat what they were given are
refused, since a few lines of them grow without end; colours, links, styles and positions are left out, so that a
formula can neither hide text nor lie over the page. What cannot be converted is None, and shown as it was written.

Browsers draw MathML Core, so what stands outside it is written otherwise: boxes, strikes and the alignment of cells as
the classes `math-*`, bold, sans-serif and typewriter letters as the letters of Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import escape, unescape
from itertools import zip_longest
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter

MAX_FORMULA = 2_000
"""Characters of one formula that is still converted."""
MAX_DEPTH = 40
"""Elements in each other: deeper formulas are shown as written, long before the converter's recursion ends."""

TAGS = frozenset(
    "math mfrac mi mn mo mover mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder"  # noqa: SIM905
    " munderover".split()
)
ATTRIBUTES = {
    "math": {"display", "alttext", "dir"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mo": {"accent", "fence", "largeop", "maxsize", "minsize", "movablelimits", "separator", "stretchy"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mspace": {"width"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"displaystyle"},
}
CLASSES = {
    "mrow": {"math-box", "math-strike"},
    "mtd": {"math-left", "math-right"},
}

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_REFUSED = re.compile(
    r"\\(?:[egx]?def|let|(?:re|provide)?newcommand|(?:re)?newenvironment|DeclareMathOperator|sideset|skew)(?![A-Za-z])"
)
# Environments that the converter does not lay out, by one that it does; numbers of equations would mean nothing here.
_ENVIRONMENTS = {
    **dict.fromkeys(("align", "aligned", "alignat", "alignedat", "flalign"), "align*"),
    **dict.fromkeys(("gather", "gathered", "multline"), "matrix"),
    "dcases": "cases",
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([a-z]+)\*?\}(\{[0-9]+\})?")
_TRUTH = re.compile("true|false")
_VALUES = {
    "linethickness": re.compile("0"),
    "mathvariant": re.compile("normal"),
    "scriptlevel": re.compile("[0-3]"),
    "maxsize": re.compile(r"[0-3]?(?:\.[0-9]{1,3})?em"),
    "minsize": re.compile(r"[0-3]?(?:\.[0-9]{1,3})?em"),
    "width": re.compile(r"(?:[0-3]?(?:\.[0-9]{1,3})?|-0?\.[0-2][0-9]{0,2})em"),
}
_ROWS = frozenset({"mrow", "mstyle", "mtd"})
_BOXES = {"box": "math-box", "updiagonalstrike": "math-strike", "downdiagonalstrike": "math-strike"}
_SIDES = {"left": "math-left", "right": "math-right"}
# Where the letters of a style begin in Unicode: capitals, small letters, digits (only the styles without gaps).
_STYLES = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE),
    "sans-serif": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "monospace": (0x1D670, 0x1D68A, 0x1D7F6),
}


def to_mathml(latex: str, *, is_display: bool) -> str | None:
    """`latex` without its delimiters as one `<math>` element, or None where it is to be shown as it was written.

    None means: empty or too long, nested too deep, a command that is refused, or nothing that the converter reads.
    """
    if not latex.strip() or len(latex) > MAX_FORMULA or _REFUSED.search(latex) or _UNPRINTABLE.search(latex):
        return None
    display = "block" if is_display else "inline"
    try:
        tree = Converter(display=display).convert_to_element(_ENVIRONMENT.sub(_known_environment, latex))
    except Exception:  # noqa: BLE001 - whatever the converter trips over, the formula is shown as it was written
        return None
    pieces: list[str] = []
    try:
        for child in tree:
            _write(child, pieces, 1)
    except _TooDeepError:
        return None
    source = escape(" ".join(latex.split()), quote=False).replace('"', "&quot;")
    return f'<math dir="ltr" display="{display}" alttext="{source}">{"".join(pieces)}</math>'


def is_safe_value(name: str, value: str) -> bool:
    """Whether an attribute of a MathML element other than `math` has a value that the writer may give it."""
    return _VALUES.get(name, _TRUTH).fullmatch(value) is not None


class _TooDeepError(Exception):
    """Elements stand deeper in each other than is written."""


def _known_environment(match: re.Match[str]) -> str:
    which, name, columns = match.groups()
    if name == "eqnarray":
        return r"\begin{array}{rcl}" if which == "begin" else r"\end{array}"
    known = _ENVIRONMENTS.get(name)
    if known is None:
        return match[0]
    return f"\\{which}{{{known}}}{'' if name.endswith('at') else columns or ''}"


def _write(element: Element, pieces: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _TooDeepError
    attributes = dict(element.attrib)
    text = _letters(unescape(element.text or ""), attributes.get("mathvariant", ""))
    tag, style = element.tag, None
    if tag == "menclose":
        tag, style = "mrow", _BOXES.get(attributes.get("notation", ""))
    elif tag == "mtd":
        style = _SIDES.get(attributes.get("columnalign", ""))
    elif tag == "mi" and len(text) == 1 and unicodedata.category(text) == "Sm":
        tag = "mo"
    elif tag not in TAGS:
        tag = "mrow"
    known = ATTRIBUTES.get(tag, set())
    kept = [(name, value) for name, value in attributes.items() if name in known and is_safe_value(name, value)]
    if style:
        kept.append(("class", style))
    written = "".join(f' {name}="{value}"' for name, value in kept)
    pieces.append(f"<{tag}{written}>")
    pieces.append(escape(text, quote=False).replace("\u00a0", "&nbsp;"))
    children = list(element)
    for child, following in zip_longest(children, children[1:]):
        _write(child, pieces, depth + 1)
        if tag in _ROWS and following is not None and following.tag != "mo" and _is_function(child):
            pieces.append('<mspace width="0.167em"></mspace>')
    pieces.append(f"</{tag}>")


def _is_function(element: Element) -> bool:
    """Whether it is the name of a function (sin, or sin²), which stands a little apart from its argument."""
    if element.tag in {"msub", "msup", "msubsup"} and len(element):
        return _is_function(element[0])
    return element.tag == "mi" and re.fullmatch("[a-z]{2,}", element.text or "") is not None


def _letters(text: str, style: str) -> str:
    """`text` in the letters of a style; a control character, which an entity may have brought in, is a replacement."""
    if not text.isprintable():
        text = "".join("\ufffd" if unicodedata.category(each) in {"Cc", "Cn", "Cs"} else each for each in text)
    return text.translate(_table(style)) if style in _STYLES else text


@lru_cache
def _table(style: str) -> dict[int, int]:
    capital, small, digit = _STYLES[style]
    return {
        **{ord("A") + k: capital + k for k in range(26)},
        **{ord("a") + k: small + k for k in range(26)},
        **{ord("0") + k: digit + k for k in range(10)},
    }
