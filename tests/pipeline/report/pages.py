"""Reports as a browser shows them."""

from tests.browser import DESKTOP, PHONE, axe_violations, page_in_chromium


def check_report(path, said):
    """A page in a browser: what it says in its first screen, and that nobody is shut out."""
    for scheme, size in (("light", PHONE), ("dark", DESKTOP)):
        with page_in_chromium(f"file://{path}", scheme=scheme, size=size) as tab:
            assert axe_violations(tab) == ""
            assert tab.errors == []
            assert len(tab.requests) == 1
            # The page itself does not scroll sideways; its tables do, within themselves.
            assert tab.page.evaluate("document.documentElement.scrollWidth") == size[0]
            shown = tab.page.get_by_text(said).first.bounding_box()
            assert shown["y"] + shown["height"] < size[1]
