"""A headless Chromium for tests, driven over its DevTools protocol; nothing is downloaded. And axe-core, which npm fetches."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever a page asks of elsewhere fails
]  # fmt: skip
MATH = "Promise.resolve(window.MathJax && MathJax.startup && MathJax.startup.promise).then(() => true)"
AXE = "4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="


def program() -> str | None:
    """Path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def axe(cache: Path) -> str | None:
    """Source of axe-core, which npm fetches once and whose hash is checked; None where it cannot be had."""
    archive = cache / f"axe-core-{AXE}.tgz"
    if not archive.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"axe-core@{AXE}", "--silent", "--pack-destination", str(cache)]
        try:
            subprocess.run(command, capture_output=True, timeout=120, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert found == AXE_SHA512, f"{archive} is not axe-core {AXE}: delete it"
    with tarfile.open(archive) as opened:
        return opened.extractfile("package/axe.min.js").read().decode()


class Browser:
    """One Chromium with one page. `folder`: an empty one for its profile."""

    def __init__(self, folder: Path):
        options = [*QUIET, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"]
        self.process = subprocess.Popen([program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port, path = self.address(folder / "DevToolsActivePort")
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=60, suppress_origin=True)
        self.number, self.events, self.session = 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def address(self, file: Path) -> tuple[str, str]:
        """Port and path that Chromium writes down once it listens."""
        for _ in range(600):
            if file.is_file() and len(lines := file.read_text().split()) == 2:
                return lines[0], lines[1]
            time.sleep(0.1)
        raise TimeoutError("Chromium did not start within a minute.")

    def close(self) -> None:
        """End the browser."""
        self.call("Browser.close")
        self.process.wait(30)

    def receive(self) -> dict:
        """The next message; events are kept, too."""
        message = json.loads(self.socket.recv())
        if "method" in message:
            self.events.append(message)
        return message

    def call(self, method: str, **parameters) -> dict:
        """Call a method of the protocol and wait for its result."""
        self.number += 1
        own = {"sessionId": self.session} if self.session and not method.startswith("Browser.") else {}
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters, **own}))
        while (message := self.receive()).get("id") != self.number:
            pass
        assert "error" not in message, message
        return message["result"]

    def run(self, script: str):
        """Value of a JavaScript expression in the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20) -> bool:
        """Whether a JavaScript expression comes true in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run(script):
                return True
            time.sleep(0.1)
        return False

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a size in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def offline(self, off: bool) -> None:
        """Cut the network off, or not."""
        self.call(
            "Network.emulateNetworkConditions", offline=off, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def visit(self, address: str) -> None:
        """Open a page and wait until it is loaded and its formulas are set; events of earlier pages are forgotten."""
        for place in ("about:blank", address):  # an empty page first: what the last one still asked for comes before it
            self.events.clear()
            self.call("Page.navigate", url=place)
            while not any(event["method"] == "Page.loadEventFired" for event in self.events):
                self.receive()
        self.run(MATH)

    def press(self, key: str, code: str, number: int, text: str) -> None:
        """Press a key and let it go; `text`: what it types."""
        own = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **own)
        self.call("Input.dispatchKeyEvent", type="keyUp", **own)

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def errors(self) -> list[str]:
        """What went wrong on the page: exceptions, errors in its console, and what it could not load."""
        bad = ("Runtime.exceptionThrown", "Network.loadingFailed")
        found = [e for e in self.events if e["method"] in bad]
        found += [
            e for e in self.events if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"
        ]
        found += [
            e for e in self.events if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] == "error"
        ]
        return [json.dumps(event["params"])[:300] for event in found]
