"""A real browser, cut off from the network, opens the report, draws its charts and asks nobody for anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is installed"),
]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1280,3000"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)

#: Bounds of the report's rules, by signal: each has two charts, what it dropped and what other bounds would keep.
BOUNDS = {"kana_share": 0.3, "characters": 200}

#: Resolves to the ids of the charts that the page brings, the ids and labels of those that have a canvas with anything
#: on it, and the type of what must not run; waits 20 s at most.
DRAWN = """
(async () => {
  const canvases = root => [...root.querySelectorAll("*")].flatMap(
    it => [...(it.localName === "canvas" ? [it] : []), ...(it.shadowRoot ? canvases(it.shadowRoot) : [])]);
  const painted = it => it.width > 0 && it.height > 0 &&
    it.getContext("2d").getImageData(0, 0, it.width, it.height).data.some(byte => byte);
  const charts = [...document.querySelectorAll(".chart")];
  for (let turn = 0; ; turn++) {
    const drawn = charts.filter(it => canvases(it).some(painted));
    if (drawn.length === charts.length || turn > 200) return {
      brought: JSON.parse(document.getElementById("charts").textContent).map(it => it.target_id),
      drawn: Object.fromEntries(drawn.map(it => [it.id, it.getAttribute("aria-label")])),
      planted: typeof window.planted,
    };
    await new Promise(done => setTimeout(done, 100));
  }
})()
"""


class Browser:
    """Speak the DevTools protocol over a pipe: JSON, ended by NUL."""

    def __init__(self, to: Any, back: Any) -> None:
        self._to, self._back = to, back
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; collect the events that come between."""
        self._number += 1
        said: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        self._to.write(json.dumps(said | ({"sessionId": session} if session else {})).encode() + b"\0")
        self._to.flush()
        while (heard := self._hear()).get("id") != self._number:
            self.events.append(heard)
        assert "error" not in heard, heard
        return heard["result"]

    def _hear(self) -> dict[str, Any]:
        heard = bytearray()
        while (byte := self._back.read(1)) != b"\0":
            assert byte, "the browser has gone"
            heard += byte
        return json.loads(heard)

    def until(self, method: str) -> None:
        """Wait for an event."""
        while not any(event["method"] == method for event in self.events):
            self.events.append(self._hear())


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """Run a browser with a home of its own."""
    (to_child, to), (back, from_child) = os.pipe(), os.pipe()
    shell = 'to=$1 from=$2; shift 2; eval "exec \\"\\$@\\" 3<&$to 4>&$from"'
    command = ["bash", "-c", shell, "bash", str(to_child), str(from_child), CHROMIUM, *FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={home}", "about:blank"],
        pass_fds=(to_child, from_child),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_child)
    os.close(from_child)
    with os.fdopen(to, "wb") as speak, os.fdopen(back, "rb") as hear:
        talk = Browser(speak, hear)
        try:
            yield talk
            talk.call("Browser.close")
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def page(tmp_path_factory, make, kakehi) -> Path:
    """Make a report with charts, and texts that would run if they could."""
    home = tmp_path_factory.mktemp("report")
    planted = "</script><script>window.planted = 1</script><img src=http://a.example/x onerror='planted = 1'>"
    rows = [
        {"id": n, "url": planted, "title": planted, "text": f"{planted}\n{make.text(n)}"} for n in range(20)
    ]
    make.jsonl(home / "a.jsonl", [*rows, {**rows[0], "id": 99}])
    rules = ", ".join(f"{{{signal}: {{min: {bound}}}}}" for signal, bound in BOUNDS.items())
    manifest = make.file(
        home / "m.yaml",
        "corpus: shown\n"
        "sources: {a: {ingest: {files: a.jsonl, fields: {text: text, id: id, url: url, title: title}}}}\n"
        f"measure: [script]\nscreen: {{all: [{rules}]}}\n"
        "dedupe: {similarity: 0.1, bands: 64, rows: 1}\nreport:\n",
    )
    said = kakehi("run", manifest, "--work", home / "w")
    assert said.code == 0, said.err
    [path] = (home / "w").glob("report/*/report.html")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_opens_without_a_network(page: Path, tmp_path: Path, scheme: str, width: int) -> None:
    """All charts are drawn, nothing overflows, nothing is said on the console, nothing planted runs or loads."""
    with browser(tmp_path) as talk:
        target = talk.call("Target.createTarget", url="about:blank")["targetId"]
        session = talk.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Runtime", "Log", "Page"):
            talk.call(f"{domain}.enable", session)
        talk.call(
            "Network.emulateNetworkConditions",
            session,
            offline=True,
            latency=0,
            downloadThroughput=0,
            uploadThroughput=0,
        )
        talk.call(
            "Emulation.setEmulatedMedia",
            session,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        talk.call(
            "Emulation.setDeviceMetricsOverride",
            session,
            width=width,
            height=3000,
            deviceScaleFactor=1,
            mobile=False,
        )
        talk.call("Page.navigate", session, url=page.as_uri())
        talk.until("Page.loadEventFired")
        found = evaluate(talk, session, DRAWN)
        wide = evaluate(talk, session, "document.documentElement.scrollWidth")
        events = talk.events
    assert sorted(found["drawn"]) == sorted(found["brought"])
    said = list(found["drawn"].values())
    assert [sum(signal in label for label in said) for signal in BOUNDS] == [2] * len(BOUNDS), said
    assert {"chart-funnel", "chart-similarity"} <= found["drawn"].keys()
    assert found["planted"] == "undefined"
    assert wide <= width
    assert requests(events) == {page.as_uri()}
    assert complaints(events) == []


def evaluate(talk: Browser, session: str, expression: str) -> Any:
    """Run a script beside the page's own and give its value."""
    answer = talk.call(
        "Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True
    )
    assert "exceptionDetails" not in answer, answer
    return answer["result"]["value"]


def requests(events: list[dict[str, Any]]) -> set[str]:
    """List the addresses that were asked for; what lies in the page itself is no request."""
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return {url for url in urls if not url.startswith(("data:", "blob:", "about:"))}


def complaints(events: list[dict[str, Any]]) -> list[str]:
    """List errors and warnings of the page and of the browser about it."""
    found = []
    for event in events:
        params = event["params"]
        if event["method"] == "Runtime.exceptionThrown":
            found.append(params["exceptionDetails"]["text"])
        if event["method"] == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            found.append(str(params["args"]))
        if event["method"] == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            found.append(params["entry"]["text"])
    return found
