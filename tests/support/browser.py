"""Opens pages in a headless Chromium and says what it sees, over the browser's debugging pipe.

browser.py check PAGE.html...            exit 0: no fault; 1: each fault on a line
browser.py shot PAGE.html OUT.png WIDTH light|dark [TOP HEIGHT]
browser.py pdf PAGE.html OUT.pdf
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell")


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page in a fresh profile without network; events are kept in the order they come."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp(prefix="ringkas-browser-")
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()
        self.events, self.next_id, self.rest = [], 0, b""

        def hand_over():
            # the browser reads its commands from 3 and answers on 4
            a, b = os.dup(to_read), os.dup(back_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--user-data-dir=" + self.profile, "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-dev-shm-usage", "about:blank"],
            preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(back_write)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            self.call(part + ".enable")

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 16)
            if not more:
                raise RuntimeError("the browser went away")
            self.rest += more
        line, self.rest = self.rest.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.next_id:
                if "error" in answer:
                    raise RuntimeError(method + ": " + answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)

    def open(self, page, width, scheme):
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=pathlib.Path(page).resolve().as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def shot(self, out, width, top=0, height=None):
        whole = self.value("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": top, "width": width, "height": height or whole - top, "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        pathlib.Path(out).write_bytes(base64.b64decode(data))

    def pdf(self, out):
        data = self.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27,
                         paperHeight=11.69)["data"]
        pathlib.Path(out).write_bytes(base64.b64decode(data))

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait(timeout=20)
        shutil.rmtree(self.profile, ignore_errors=True)


# Boxes of texts of one chart that lie over each other, and what is out on the right.
LOOK = """(() => {
  const faults = [], wide = innerWidth;
  for (const e of document.body.querySelectorAll('*')) {
    const r = e.getBoundingClientRect();
    if (r.width && r.right > wide + 1 && !e.closest('.wide'))
      faults.push('sticks out on the right: ' + e.tagName + ' ' + e.textContent.slice(0, 40));
  }
  for (const e of document.querySelectorAll('.data'))
    if (e.parentElement.scrollWidth > e.parentElement.clientWidth + 1)
      faults.push('the table of the data is cut on the right');
  for (const svg of document.querySelectorAll('svg')) {
    const texts = [...svg.querySelectorAll('text')].map(e => [e, e.getBoundingClientRect()]);
    for (let i = 0; i < texts.length; i++)
      for (let j = i + 1; j < texts.length; j++) {
        const a = texts[i][1], b = texts[j][1], slack = 1.5;
        if (a.left + slack < b.right && b.left + slack < a.right &&
            a.top + 4 < b.bottom && b.top + 4 < a.bottom)
          faults.push('two labels overlap: "' + texts[i][0].textContent + '" and "' +
                      texts[j][0].textContent + '" in ' + svg.getAttribute('aria-label'));
      }
  }
  return faults;
})()"""

# Colours are computed; the page's ground must differ between the two schemes.
GROUND = "getComputedStyle(document.body).backgroundColor"


def check_view(browser, page, width, scheme):
    browser.open(page, width, scheme)
    faults = list(browser.value(LOOK))
    scroll = browser.value("document.documentElement.scrollWidth")
    if scroll > width:
        faults.append("scrolls sideways: %d px wide in a window of %d" % (scroll, width))
    own = pathlib.Path(page).resolve().as_uri()
    for event in browser.events:
        name, params = event.get("method"), event.get("params", {})
        if name == "Network.requestWillBeSent" and params["request"]["url"] != own:
            faults.append("asks for " + params["request"]["url"][:100])
        elif name == "Log.entryAdded":
            faults.append("console: " + params["entry"]["text"])
        elif name == "Runtime.consoleAPICalled":
            faults.append("console: " + str(params.get("args"))[:100])
        elif name == "Runtime.exceptionThrown":
            faults.append("script error: " + params["exceptionDetails"]["text"])
    return ["%s at %d px, %s: %s" % (page, width, scheme, fault) for fault in faults]


def check(browser, pages):
    faults = []
    for page in pages:
        ground = set()
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                faults += check_view(browser, page, width, scheme)
                ground.add((scheme, browser.value(GROUND)))
        if len(ground) != 2 or len({colour for _, colour in ground}) != 2:
            faults.append("%s: light and dark do not differ: %s" % (page, sorted(ground)))
    print("\n".join(faults) if faults else "%d pages looked at, 4 views each" % len(pages))
    return 1 if faults else 0


def main(argv):
    program = find()
    if program is None:
        print("SKIP: no Chromium here (looked for %s)" % ", ".join(NAMES))
        return 77
    browser = Browser(program)
    try:
        if argv[0] == "check":
            return check(browser, argv[1:])
        page, out = argv[1:3]
        width = int(argv[3]) if argv[0] == "shot" else 1280
        browser.open(page, width, argv[4] if argv[0] == "shot" else "light")
        if argv[0] == "shot":
            top, height = map(int, argv[5:7]) if len(argv) > 5 else (0, None)
            browser.shot(out, width, top, height)
        else:
            browser.pdf(out)
        return 0
    finally:
        browser.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
