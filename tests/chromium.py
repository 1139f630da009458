"""A headless Chromium, driven over its DevTools pipe: pages at any width, and whatever goes wrong on them.

Needs no package: the protocol is JSON with a NUL behind each message, on two pipes of the process (3 and 4).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--hide-scrollbars", "--allow-file-access-from-files",
)  # fmt: skip


@dataclass
class Seen:
    """What a page did.

    Attributes:
        problems: Script errors, messages of the console, violations of the policy.
        requests: Addresses that it asked for, its own first.
    """

    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


class Chromium:
    """One process for all pages."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._buffer, self._number = b"", 0
        self._events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Ask the page's own session for something."""
        return self._call(method, session=self._session, **params)

    def open(self, path: Path, width: int, *, dark: bool = False) -> Seen:
        """Load a file at this width, to the end."""
        self._events.clear()
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._event())
        self.evaluate("document.fonts.ready.then(() => 1)")
        return self._seen()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, path: Path, *, height: int | None = None, **options: Any) -> None:
        """Take a picture of the page, down to `height` where one is given."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height or 16_000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip, **options)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _seen(self) -> Seen:
        seen = Seen()
        for event in self._events:
            params = event["params"]
            match event["method"]:
                case "Network.requestWillBeSent":
                    seen.requests.append(params["request"]["url"])
                case "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled" | "Audits.issueAdded":
                    seen.problems.append(json.dumps(params))
        return seen

    def _call(self, method: str, session: str | None = None, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            event = self._event()
            if event.get("id") == self._number:
                assert "error" not in event, f"{method}: {event['error']}"
                return event["result"]
            if "method" in event:
                self._events.append(event)

    def _event(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._back], [], [], SECONDS)[0], "Chromium does not answer"
            read = os.read(self._back, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


def executable() -> str | None:
    """Where it is, if it is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium(program: str) -> Iterator[Chromium]:
    """Start it, and end it with all its processes."""
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()

    def hand_over() -> None:
        """The pipes under the numbers that Chromium knows."""
        os.dup2(theirs_in, 10)
        os.dup2(theirs_out, 11)
        os.dup2(10, 3)
        os.dup2(11, 4)

    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=hand_over,  # noqa: PLW1509  # it only moves file numbers
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        browser = None
        try:
            browser = Chromium(to, back)
            yield browser
        finally:
            if browser is not None:
                browser._call("Browser.close")
            else:
                process.kill()
            process.wait(SECONDS)
            os.close(to)
            os.close(back)
