"""The server's page: what is typed is shown as text, nothing is loaded or run."""

import html.parser
import re

import pytest

from helpers import page

pytestmark = pytest.mark.once  # what answers needs neither backend

NASTY = '\n</textarea><script>alert("1")</script> & {name} &amp;'


class Reader(html.parser.HTMLParser):
    """What a browser would find: tags, attributes, texts by tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def test_the_page_has_a_form_and_loads_nothing():
    found = Reader(page.write("course", 300, needs_key=False))
    assert {"form", "textarea", "button"} <= set(found.tags) and not {"script", "link", "img", "input"} & set(
        found.tags
    )
    assert ("method", "post") in found.attributes and ("maxlength", "300") in found.attributes
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href")]
    assert "url(" not in page.STYLE and "@import" not in page.STYLE
    assert "default-src 'none'" in page.HEADERS["Content-Security-Policy"] and "script-src" not in str(page.HEADERS)
    assert Reader(page.write("course", 300, needs_key=True)).attributes.count(("type", "password")) == 1


def test_texts_names_and_errors_are_shown_as_they_are():
    table = page.table(["<b>", "gut"], [0.25, 0.75])
    found = Reader(page.write("<i>", 300, False, text=NASTY, answer=table, error="1 < 2"))
    assert not {"script", "b", "i"} & set(found.tags)
    assert "".join(found.texts["textarea"]).removeprefix("\n").startswith(NASTY)
    assert found.texts["h1"][0] == "<i>" and "1 < 2" in found.texts["p"]


def test_the_table_begins_with_the_most_probable_class():
    rows = re.findall(
        r"<th scope=\"row\">(.*?)</th><td.*?>(.*?)</td><td><meter value=\"(.*?)\"", page.table("abc", [0.2, 0.7, 0.1])
    )
    assert rows == [("b", "70.0%", "0.7000"), ("a", "20.0%", "0.2000"), ("c", "10.0%", "0.1000")]
