"""The visitor itself: it finds what it looks for, and without a Chromium it says so."""

import pytest

from tests.browser.visitor import NoChromium, Visitor, chromium

_BAD = """<!doctype html><html lang="en"><title>bad</title><main><h1>Bad</h1><div style="width: 3000px">wide</div>
<button></button><p style="color: #ccc; background: #fff">pale</p><script>console.error("oh")</script></main>"""


def test_it_finds_what_sticks_out_what_shuts_out_and_what_the_console_says(visitor: Visitor) -> None:
    visitor.page.set_content(_BAD)
    assert "DIV. wide" in visitor.sticks_out()
    found = " ".join(visitor.barriers())
    assert "button-name" in found
    assert "color-contrast" in found
    assert "oh" in visitor.complaints[0]
    visitor.expects("oh")


def test_it_hears_what_the_policy_refuses(visitor: Visitor) -> None:
    visitor.open("/sign-in/")
    visitor.page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'taken = 1'}))")
    visitor.page.evaluate("new Promise(requestAnimationFrame).then(() => 1)")
    assert any("policy: script-src" in one for one in visitor.complaints)
    assert visitor.page.evaluate("typeof taken") == "undefined"
    visitor.expects("policy: script-src|Content Security Policy")


def test_without_chromium_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoChromium, match="apt-get install chromium"), chromium():
        pass
