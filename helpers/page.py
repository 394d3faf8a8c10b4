"""Lesson 12: the server's own page: a text goes in by a plain form, the probabilities come out. It holds no JavaScript."""

import html
from collections.abc import Sequence

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
label { display: block; font-weight: 600; margin-top: 1rem }
textarea, input { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; border: 1px solid #595959; border-radius: .25rem }
button { font: inherit; margin-top: 1rem; padding: .5rem 1.5rem; color: #fff; background: #0b5394; border: 0; border-radius: .25rem }
table { border-collapse: collapse; width: 100%; margin-top: 1rem }
th, td { text-align: left; font-weight: normal; padding: .25rem .5rem .25rem 0; overflow-wrap: anywhere }
td.number { text-align: right; font-variant-numeric: tabular-nums }
tr:first-child th { font-weight: 600 }
meter { width: 100% }
.error { border-left: .25rem solid #b00020; padding-left: .75rem }
@media (prefers-color-scheme: dark) {
  body { color: #e8e8e8; background: #161616 } textarea, input { color: inherit; background: #242424 }
}
"""
# A browser that keeps to this loads nothing for the page, runs no script in it, and sends its form nowhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p>Type a text and see how probable the model finds each of its classes.</p>
{error}<form method="post" action="/">
<label for="text">Text, at most {characters:,} characters</label>
<textarea id="text" name="text" rows="5" maxlength="{characters}" required>{text}</textarea>
{key}<button>Classify</button>
</form>
{answer}</main>
</body>
</html>
"""
KEY = """<label for="key">Key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required>
"""


def table(labels: Sequence[str], probabilities: Sequence[float]) -> str:
    """A row a class, the most probable first."""
    rows = sorted(zip(probabilities, labels, strict=True), key=lambda row: -row[0])
    cells = [
        f'<tr><th scope="row">{html.escape(label)}</th><td class="number">{value:.1%}</td>'
        f'<td><meter value="{value:.4f}" aria-label="{html.escape(label)}"></meter></td></tr>\n'
        for value, label in rows
    ]
    return f"<table>\n<caption>Probabilities</caption>\n{''.join(cells)}</table>\n"


def write(name: str, characters: int, needs_key: bool, text: str = "", answer: str = "", error: str = "") -> str:
    """The page as HTML. `answer`: what `table` gives; `text` and `error` are plain, and are escaped here."""
    return PAGE.format(
        name=html.escape(name),
        style=STYLE,
        characters=characters,
        text=f"\n{html.escape(text)}",  # HTML drops the first line break of a textarea, and so keeps one of the text's own
        key=KEY if needs_key else "",
        answer=answer,
        error=f'<p class="error" role="alert">{html.escape(error)}</p>\n' if error else "",
    )
