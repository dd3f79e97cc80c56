"""Code in a response, coloured by class: no inline styles, a fixed set of languages, bounded work.

Pygments' lexers are regular expressions, and some of them take time that grows with the square of hostile input. So
only languages that were tried against such input are here, and code that is long, very wide, or full of escaped
quotation marks is shown without colours. The limits count characters, so the same text always looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from itertools import groupby
from types import MappingProxyType

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Literal, Name, Operator, Token

MAX_CODE = 6_000
"""Characters of one block that is still coloured."""
MAX_SLOW_CODE = 2_500
"""The same for languages whose lexer backtracks."""
MAX_LINE = 400
MAX_ESCAPED_QUOTES = 200

LANGUAGES: Mapping[str, str] = MappingProxyType({
    **{
        name: name
        for name in (
            "bash", "c", "clojure", "cpp", "csharp", "css", "dart", "diff", "docker", "elixir", "erlang", "go",
            "graphql", "haskell", "html", "http", "ini", "java", "javascript", "json", "jsx", "julia", "kotlin",
            "lua", "make", "matlab", "nginx", "ocaml", "perl", "php", "powershell", "protobuf", "pycon", "python", "r",
            "ruby", "rust", "scala", "scss", "sql", "swift", "tex", "toml", "tsx", "typescript", "xml", "yaml",
        )
    },
    "c#": "csharp", "c++": "cpp", "console": "console", "cs": "csharp", "dockerfile": "docker", "golang": "go",
    "h": "c", "hpp": "cpp", "hs": "haskell", "htm": "html", "js": "javascript", "json5": "json", "jsonc": "json",
    "kt": "kotlin", "latex": "tex", "makefile": "make", "patch": "diff", "pl": "perl", "ps1": "powershell",
    "py": "python", "py3": "python", "python3": "python", "rb": "ruby", "rs": "rust", "sh": "bash",
    "shell": "bash", "shell-session": "console", "svg": "xml", "ts": "typescript", "yml": "yaml", "zsh": "bash",
})  # fmt: skip
SLOW = frozenset({"csharp", "java", "perl"})

_ROLES = {
    Comment: "comment",
    Comment.Preproc: "keyword",
    Generic.Deleted: "deleted",
    Generic.Heading: "heading",
    Generic.Inserted: "inserted",
    Generic.Prompt: "comment",
    Generic.Subheading: "heading",
    Keyword: "keyword",
    Keyword.Constant: "number",
    Keyword.Type: "type",
    Literal.Number: "number",
    Literal.String: "string",
    Literal.String.Doc: "comment",
    Literal.String.Escape: "escape",
    Literal.String.Interpol: "escape",
    Name.Attribute: "attribute",
    Name.Builtin: "builtin",
    Name.Class: "type",
    Name.Constant: "number",
    Name.Decorator: "attribute",
    Name.Exception: "type",
    Name.Function: "name",
    Name.Tag: "tag",
    Operator.Word: "keyword",
}

CLASSES = frozenset(f"hl-{role}" for role in _ROLES.values())
"""Every class that `to_html` can write."""

# Light, dark: each at least 4.5:1 on the code background of its theme (see the test).
_COLOURS = {
    "attribute": ("#0550ae", "#91cbff"),
    "builtin": ("#0550ae", "#91cbff"),
    "comment": ("#57606a", "#a7b0bb"),
    "deleted": ("#82071e", "#ffb1af"),
    "escape": ("#8a4600", "#ffc680"),
    "heading": ("#0550ae", "#91cbff"),
    "inserted": ("#116329", "#72f088"),
    "keyword": ("#a40e26", "#ff9492"),
    "name": ("#6639ba", "#dbb7ff"),
    "number": ("#0550ae", "#91cbff"),
    "string": ("#0a3069", "#addcff"),
    "tag": ("#116329", "#72f088"),
    "type": ("#8a4600", "#ffb757"),
}

_NAMES: Mapping[str, str] = MappingProxyType({
    "bash": "Shell", "console": "Shell", "cpp": "C++", "csharp": "C#", "css": "CSS", "docker": "Dockerfile",
    "graphql": "GraphQL", "html": "HTML", "http": "HTTP", "ini": "INI", "javascript": "JavaScript", "json": "JSON",
    "jsx": "JSX", "make": "Makefile", "matlab": "MATLAB", "nginx": "nginx", "ocaml": "OCaml", "php": "PHP",
    "powershell": "PowerShell", "protobuf": "Protocol Buffers", "pycon": "Python", "scss": "SCSS", "sql": "SQL",
    "tex": "LaTeX", "toml": "TOML", "tsx": "TSX", "typescript": "TypeScript", "xml": "XML", "yaml": "YAML",
})  # fmt: skip
"""How languages write their names, where a capital letter is not enough."""

_OTHER_NAME = re.compile(r"[\w+#.-]{1,24}")
_WIDE = re.compile(rf"[^\n]{{{MAX_LINE + 1}}}|\s{{100}}")
_ESCAPED_QUOTE = re.compile(r"\\[\"'`]")


def language(info: str) -> str | None:
    """The known language that a fence's info string names first, or None."""
    words = info.split(maxsplit=1)
    return LANGUAGES.get(words[0].strip("{}.,:").lower()) if words else None


def label(info: str) -> str | None:
    """What a block is marked with: its language's name, or the word that its writer gave, if it looks like one."""
    name = language(info)
    if name is not None:
        return _NAMES.get(name, name.capitalize())
    words = info.split(maxsplit=1)
    return words[0] if words and _OTHER_NAME.fullmatch(words[0]) else None


def to_html(code: str, info: str) -> str | None:
    """`code` as escaped HTML with `hl-` spans, or None where it is to be shown plain.

    None means: no known language, or code beyond the limits above.
    """
    name = language(info)
    if name is None or not is_bounded(code, name):
        return None
    pieces = []
    for role, run in groupby(_lexer(name).get_tokens(code), key=lambda token: _role(token[0])):
        text = escape("".join(value for _, value in run), quote=False)
        pieces.append(f'<span class="hl-{role}">{text}</span>' if role else text)
    return "".join(pieces)


def cost(code: str, info: str) -> int:
    """What colouring `code` takes from a text's budget: its characters, four times for a slow lexer."""
    return len(code) * (4 if language(info) in SLOW else 1)


def is_bounded(code: str, name: str) -> bool:
    limit = MAX_SLOW_CODE if name in SLOW else MAX_CODE
    if len(code) > limit or _WIDE.search(code):
        return False
    return len(_ESCAPED_QUOTE.findall(code)) <= MAX_ESCAPED_QUOTES


def stylesheet() -> str:
    """The text of static/css/highlight.css: the colours as variables, light, dark and automatic."""
    light = "".join(f"  --hl-{role}: {pair[0]};\n" for role, pair in sorted(_COLOURS.items()))
    dark = "".join(f"  --hl-{role}: {pair[1]};\n" for role, pair in sorted(_COLOURS.items()))
    indented = "".join(f"  {line}\n" for line in dark.splitlines())
    rules = "".join(f".hl-{role} {{ color: var(--hl-{role}); }}\n" for role in sorted(_COLOURS))
    return (
        "/* Written by `python -m app.web.highlight`; change the colours there. */\n\n"
        f":root {{\n{light}}}\n\n"
        f'@media (prefers-color-scheme: dark) {{\n  :root:not([data-theme="light"]) {{\n{indented}  }}\n}}\n\n'
        f':root[data-theme="dark"] {{\n{dark}}}\n\n'
        f"{rules}"
        ".hl-heading { font-weight: 600; }\n\n"
        ".md pre { white-space: pre-wrap; overflow-wrap: anywhere; }\n"
        ".md .md-plain { font: inherit; background: none; padding: 0; }\n"
        ".md .md-align-start { text-align: start; }\n"
        ".md .md-align-center { text-align: center; }\n"
        ".md .md-align-end { text-align: end; }\n"
    )


@lru_cache
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@lru_cache(maxsize=1024)
def _role(token: object) -> str | None:
    """The role of a token type: its own, or that of the nearest kind above it."""
    kind = token
    while kind is not None and kind is not Token:
        if kind in _ROLES:
            return _ROLES[kind]
        kind = kind.parent  # type: ignore[attr-defined]
    return None


if __name__ == "__main__":
    import sys

    sys.stdout.write(stylesheet())
