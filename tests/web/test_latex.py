"""LaTeX in Markdown: what is a formula and what is money, what it becomes, and that hostile ones stay small."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web import latex, markdown
from app.web.formulas import find
from app.web.latex import to_mathml
from app.web.markdown import render
from tests.web.test_markdown import read


def formulas(text: str) -> list[str]:
    """The LaTeX of each formula that a rendered text has."""
    return re.findall(r'alttext="([^"]*)"', render(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so $x^2$ holds", ["x^2"]),
        ("the $n$th of $k$", ["n", "k"]),
        ("is $5$.", ["5"]),
        ("其中$x$是", ["x"]),
        ("**$x$** and _$y$_", ["x", "y"]),
        (r"\(a_1\) and \[b_2\]", ["a_1", "b_2"]),
        ("$$a+b$$", ["a+b"]),
        ("Then $$a+b$$ holds", ["a+b"]),
        ("Thus:\n\\[\na\n= b\n\\]\nso", ["a = b"]),
        ("$$\na\n- b\n$$", ["a - b"]),
        ("1. first\n   $$\n   a\n   $$\n2. then", ["a"]),
        ("> $$\n> a\n> $$", ["a"]),
        ("\\begin{align}\na &= b\n\\end{align}", [r"\begin{align} a &amp;= b \end{align}"]),
        ("| $x$ | 2 |\n|--|--|\n", ["x"]),
        (r"$\$5$", [r"\$5"]),
        ("[$x$](https://a.example)", ["x"]),
    ],
)
def test_formulas_are_found(text, expected):
    assert formulas(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$5 and $6",
        "It costs $5, not US$6.",
        "between $5-$10 or $20/$30",
        "$20 (or $15) each",
        "I have $5 and you have 6$.",
        "from $5 to 10$",
        "$100 million in 2020, $200 million in 2021",
        "echo $HOME/$USER and $PATH",
        "restaurants from $$ to $$$",
        "$$$ expensive $$$",
        r"\$5 and \$6",
        "`$x$`",
        "    $$\n    x\n    $$",
        "```\n$x$\n```",
        r"\[sic\], \[1\] and \[citation needed\]",
        r"\(see the note\)",
        "$ x $",
        "$x\n\ny$",
        "$$\nx\n\ny\n$$",
        "$$",
        "$",
        "$$$$",
        "$x",
        "\\[\nx",
        r"\(\)",
        "a$b$c",
    ],
)
def test_money_and_words_stay_as_they_were(text):
    assert formulas(text) == []
    assert "<math" not in render(text)


def test_dollars_of_prices_stay_visible():
    assert read(render("$5 and $6, or $20 (was $30)")).text.strip() == "$5 and $6, or $20 (was $30)"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"\frac{a}{b}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        ("x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\sqrt[3]{x}", "<mroot><mrow><mi>x</mi></mrow><mn>3</mn></mroot>"),
        (r"\mathbb{R}", "<mi>ℝ</mi>"),
        (r"\mathbf{ab}", "<mi>𝐚</mi><mi>𝐛</mi>"),
        (r"\boxed{1}", '<mrow class="math-box"><mrow><mn>1</mn></mrow></mrow>'),
        (r"\cancel{x}", '<mrow class="math-strike"><mrow><mi>x</mi></mrow></mrow>'),
        (r"a \pm b", "<mi>a</mi><mo>±</mo><mi>b</mi>"),
        ("a<b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"\begin{aligned}a&=b\end{aligned}", '<mtd class="math-right"><mi>a</mi></mtd><mtd class="math-left">'),
        (
            r"\begin{alignat}{2}a&=b\end{alignat}",
            '<mtr><mtd class="math-right"><mi>a</mi></mtd><mtd class="math-left">',
        ),
        (r"\begin{gather*}a\\b\end{gather*}", "<mtr><mtd><mi>a</mi></mtd></mtr><mtr><mtd><mi>b</mi></mtd></mtr>"),
        (r"\begin{eqnarray}a&=&b\end{eqnarray}", '<mtd class="math-left"><mi>b</mi></mtd>'),
        (r"\text{if }x", "<mtext>if&nbsp;</mtext><mi>x</mi>"),
        (r"\sin x", '<mi>sin</mi><mspace width="0.167em"></mspace><mi>x</mi>'),
        (r"\log(x)", '<mi>log</mi><mo stretchy="false">(</mo>'),
        (r"\log_2 x", '</msub><mspace width="0.167em"></mspace><mi>x</mi>'),
        (r"\unknown x", r"<mi>\unknown</mi><mi>x</mi>"),
    ],
)
def test_latex_becomes_mathml(source, expected):
    assert expected in to_mathml(source, is_display=False)


def test_a_displayed_formula_scrolls_in_its_own_box_and_keeps_its_source():
    html = render("$$\n\\sum_{i=1}^n i\n$$")

    assert '<div class="md-scroll" tabindex="0"><math dir="ltr" display="block" alttext="\\sum_{i=1}^n i">' in html
    assert "<munderover>" in html


def test_what_cannot_be_drawn_is_shown_as_it_was_written():
    html = render(r"so $\def\a{b}\a < 1$ and $$\left( x$$")

    assert r'<code class="md-formula" dir="ltr">$\def\a{b}\a &lt; 1$</code>' in html
    assert r'<code class="md-formula" dir="ltr">$$\left( x$$</code>' in html


def test_formulas_stop_when_the_budget_of_the_text_is_spent():
    one = "$" + "a+" * 900 + "b$\n\n"
    html = render(one * 20)

    assert html.count("<math") == markdown.MAX_LATEX // (len(one) - 4)
    assert html.count('class="md-formula"') == 20 - html.count("<math")


REFUSED = {
    "laughs": r"\def\a{xx}\def\b{\a\a}\def\c{\b\b}\c",
    "newcommand": r"\newcommand{\a}{\a\a}\a",
    "renewcommand": r"\renewcommand\x{y}",
    "declared": r"\DeclareMathOperator{\a}{b}\a",
    "doubled": r"\sideset{}{}{" * 60 + "x" + "}" * 60,
    "skewed": r"\skew{9}" * 100 + "x",
    "long": "x" * (latex.MAX_FORMULA + 1),
    "deep": "{" * 41 + "x" + "}" * 41,
    "braces": "{" * 2_000,
    "roots": r"\sqrt" * 400 + "x",
    "scripts": "x" + "^{y" * 300 + "}" * 300,
    "left": r"\left(" * 200 + "x" + r"\right)" * 200,
    "styles": r"\displaystyle" * 150 + "x",
    "sizes": r"\tiny" * 390 + "x",
    "nothing": "  \n ",
    "unclosed": r"\begin{matrix} x",
    "double": "x^a^b",
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_latex_is_refused(name):
    assert to_mathml(REFUSED[name], is_display=True) is None


@pytest.mark.parametrize(
    "source",
    [
        r"\textcolor{white}{x}\color{white}y",
        r"\colorbox{red}{x}\fcolorbox{red}{blue}{y}",
        r"\href{javascript:alert(1)}{x}",
        r"\class{hl-comment}{x}\style{position:fixed;inset:0}{y}",
        r"\raise999em{x}\lower{99em}{y}\moveleft99em x",
        r"\hspace{999em}x\kern-99em y\mspace{-900mu}\hskip 1000pt z",
        r"\rule{999em}{999em}",
        r"\genfrac(){99em}{0}{a}{b}",
        r"{a \above 99em b}",
        r"\smash{x}\llap{y}\rlap{z}\phantom{p}\vphantom{q}",
        r"\text{<script>window.__pwned=1</script>}\mbox{<img src=x onerror=alert(1)>}",
        r"\operatorname{a}\tag{<b>}\verb|<b>|",
        r"\text{&lt;script&gt;}&#60;script&#62;",
        r"\unicode{x3c}\unicode{x202e}\unicode{0}",
        '" onload=alert(1) x="\'>',
    ],
)
def test_colours_links_styles_and_positions_are_left_out(source):
    html = to_mathml(source, is_display=False)

    assert html is not None
    read(html)
    assert markdown._cleaner.clean(html) == html
    assert not re.search(
        r"\b(href|style|colou?r|background|voffset|height|depth)=", re.sub(r'alttext="[^"]*"', "", html)
    )
    widths = [float(width) for width in re.findall(r'width="([-.\d]+)em"', html)]
    assert all(-0.3 < width < 4 for width in widths)


SOUP = r"""
\frac \sqrt \left( \right) \begin{matrix} \end{matrix} \text{a} \hat \not \sum \limits \over \color{red} { } ^ _ & \\
\mathbb \operatorname{x} \mathchoice \substack \overset \xrightarrow [ ] \genfrac \hbox{$x$} \choose ' x 1 \displaystyle
\mathrm \big \middle| \binom \cases \pmod \root \of \hspace \raise \rule \smash \verb|x| %
"""


@given(st.lists(st.sampled_from(SOUP.split()), max_size=30).map(" ".join) | st.text(max_size=100))
@settings(max_examples=100, deadline=None)
def test_any_latex_gives_only_allowed_mathml_or_nothing(source):
    html = to_mathml(source, is_display=True)

    if html is not None:
        read(html)
        assert markdown._cleaner.clean(html) == html


@given(
    st.lists(st.sampled_from(["$", "$$", r"\(", r"\)", r"\[", r"\]", "\\", "x", "5", " ", "\n", "a b", "=", "`", "|"]))
)
@settings(max_examples=100, deadline=None)
def test_any_delimiters_give_allowed_html_and_a_formula_ends_within_the_text(pieces):
    text = "".join(pieces)
    read(render(text))
    for start in range(len(text)):
        found = find(text, start, len(text))
        assert found is None or (start < found.end <= len(text) and found.latex in text[start : found.end])


N = markdown.MAX_CHARACTERS
HOSTILE = {
    "dollars": "$" * N,
    "spaced dollars": "$ " * N,
    "openers": r"\(" * N,
    "displays": r"\[" * N,
    "open displays": "\\[\nx\n" * 2_400,
    "double dollars": ("$$\nx y\n" * 3)[:-3] * 1_600,
    "formulas": "$x$ " * 40_000,
    "commands": (r"$\frac12" + r"\hat\alpha" * 180 + "$\n\n") * 100,
    "cells": ("$$" + "a&" * 900 + "$$\n\n") * 100,
    "matrices": (r"$$\begin{matrix}" + r"a&b\\" * 300 + r"\end{matrix}$$" + "\n\n") * 100,
    "primes": ("$x" + "'" * 1_900 + "$\n\n") * 100,
    "negations": ("$" + r"\not" * 480 + "x$\n\n") * 100,
    "unclosed text": ("$" + r"\text{" * 300 + "$\n\n") * 100,
    "begins": "\\begin{align}\n" * 4_900,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_latex_takes_a_bounded_number_of_calls(name):
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        html = markdown._render(HOSTILE[name][:N], "image")
    finally:
        sys.setprofile(before)

    assert calls < 1_500_000
    assert len(html) < 15 * N
    read(html)


def test_a_formula_looks_the_same_however_deep_the_caller_stands():
    def below(levels: int, source: str) -> str | None:
        return below(levels - 1, source) if levels else to_mathml(source, is_display=False)

    for source in [*REFUSED.values(), r"\not" * 450 + "x", r"\hat" * 15 + "x", r"\mathrm" * 280 + "x"]:
        assert below(250, source) == to_mathml(source, is_display=False)
