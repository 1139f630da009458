"""The frame of the pages we write: one file, no script, nothing loaded from anywhere; light and dark.

The page's policy allows its one style sheet, by hash, and nothing else. Knows nothing of what a page shows.
"""

import base64
import hashlib

from bertwright.evaluation.html import plain

__all__ = ["page", "plain"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #59636e; --line: #d1d9e0; --box: #f3f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9198a1; --line: #3d444d; --box: #161b22; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-weight: normal; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.soft { color: var(--soft); }
svg { display: block; width: 100%; height: auto; max-width: 44rem; }
"""


def page(title: str, body: str, style: str = "", lang: str = "en") -> str:
    """A whole page.

    Args:
        title: Plain text.
        body: HTML, made by `tag`, or whose every foreign part went through `plain`.
        style: CSS beside that of all pages.
        lang: The language, as browsers want it named.
    """
    sheet = _STYLE + style
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{plain(title)}</title>
<style>{sheet}</style>
</head>
<body>
<h1>{plain(title)}</h1>
{body}
</body>
</html>
"""
