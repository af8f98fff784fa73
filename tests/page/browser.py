"""Headless Chromium, driven over a pipe by its DevTools protocol. Python's standard library is enough."""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome"]
FLAGS = [
    "--headless",
    "--no-sandbox",  # containers run tests as root, and the page is our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--no-default-browser-check",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
# A page is drawn in a second; a loaded machine may need many.
PATIENCE_S = 120


def find():
    """Path of a browser: MCTUNE_TEST_BROWSER, or the first known name on PATH; None where there is none."""
    named = os.environ.get("MCTUNE_TEST_BROWSER")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One browser with one tab. Events since the last `clear` are kept in `events`."""

    def __init__(self, program):
        self.home = tempfile.TemporaryDirectory(prefix="mctune-browser-")
        to_browser, self.out = os.pipe()
        self.inp, from_browser = os.pipe()

        def wire():
            # The browser reads commands from descriptor 3 and writes answers to 4; high numbers first, so that neither
            # overwrites the other.
            high = os.dup2(to_browser, 50), os.dup2(from_browser, 51)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        environment = dict(os.environ, HOME=self.home.name)
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.home.name}/profile", "about:blank"],
            preexec_fn=wire,
            close_fds=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.inp)
        self.home.cleanup()

    def call(self, method, **parameters):
        """Sends a command and gives its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data) :]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _message(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.inp], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise RuntimeError(f"the browser says nothing for {PATIENCE_S} s")
            piece = os.read(self.inp, 1 << 20)
            if not piece:
                raise RuntimeError("the browser ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def wait_for(self, event):
        """Waits for an event that has not been seen since `events` was emptied."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(seen.get("method") == event for seen in self.events):
            self.events.append(self._message(deadline))

    def open(self, path, width=1400, dark=False, media=""):
        """Loads a file into a window of a width, light or dark, on screen or as `print`."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        phone = width < 500
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=780 if phone else 900,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def evaluate(self, script):
        """Value of an expression in the page; promises are awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def complaints(self):
        """What the page wrote to the console, threw, or was refused."""
        found = []
        for event in self.events:
            method, facts = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(facts["exceptionDetails"])[:500])
            elif method == "Runtime.consoleAPICalled":
                found.append(json.dumps(facts["args"])[:500])
            elif method == "Log.entryAdded":
                found.append(facts["entry"]["text"])
        return found

    def requests(self):
        """Addresses that the page asked for."""
        sent = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [facts["request"]["url"] for facts in sent]

    def picture(self, path, clip=None):
        """Writes the whole page, or a part of it in its coordinates, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = clip or {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        shot = self.call("Page.captureScreenshot", format="png", clip={**clip, "scale": 1}, captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def pdf(self):
        """The page as it is printed on A4."""
        printed = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        return base64.b64decode(printed["data"])
