"""Looks at a report in a real browser: on a phone, a tablet and a desk, light and dark, and on paper.

    check.py PAGE [--pictures FOLDER]

Ends with status 0 if all is well, 1 with a list of faults, 77 if there is no browser. With --pictures it also leaves what
it saw: one PNG for each width and scheme, one for each figure, and the printed pages as PDF.
"""

import argparse
import pathlib
import struct
import sys
import tempfile
import time

import browser

WIDTHS = [360, 800, 1400]
# A4 between Chromium's usual margins, in CSS pixels.
PAPER = 718
INSIDE = (pathlib.Path(__file__).parent / "inside.js").read_text()


def faults_on_screen(tab, page, pictures):
    """Every width in both schemes."""
    for width in WIDTHS:
        for dark in [False, True]:
            place = f"{width} px, {'dark' if dark else 'light'}"
            tab.open(page, width, dark)
            found = tab.evaluate(INSIDE)
            yield from (f"{place}: {fault}" for fault in found["faults"])
            if found["figures"] == 0 and width == WIDTHS[0] and not dark:
                yield f"{place}: the page has no figures"
            yield from (f"{place}: console: {text}" for text in tab.complaints())
            strange = [address for address in tab.requests() if not address.startswith(("file:", "data:"))]
            yield from (f"{place}: asks the network for {address}" for address in strange)
            if pictures:
                tab.picture(pictures / f"page-{width}-{'dark' if dark else 'light'}.png")
                if width != 800:
                    figure_pictures(tab, pictures, f"{width}-{'dark' if dark else 'light'}")


def figure_pictures(tab, pictures, place):
    script = """[...document.querySelectorAll("figure")].map((figure) => {
        const box = figure.getBoundingClientRect();
        const name = figure.querySelector(".files a").download.replace(/\\.csv$/, "");
        return [name, {x: box.x + scrollX - 6, y: box.y + scrollY - 6, width: box.width + 12, height: box.height + 12}];
    })"""
    for name, clip in tab.evaluate(script):
        if clip["height"] > 20:
            tab.picture(pictures / f"{name}-{place}.png", clip)


def faults_in_files(tab, page):
    """What the buttons and links of all figures and tables give; nothing reaches the disk."""
    tab.open(page)
    wanted, files = tab.evaluate("""(async () => {
        const made = [];
        const original = URL.createObjectURL;
        let last = null;
        URL.createObjectURL = (blob) => original(last = blob);
        HTMLAnchorElement.prototype.click = function () { made.push([this.download, last]); };
        let wanted = 0;
        for (const figure of document.querySelectorAll("figure")) {
            for (const button of figure.querySelectorAll(".files button")) { wanted += 1; button.click(); }
        }
        for (const link of document.querySelectorAll("a[download]")) {
            wanted += 1;
            link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
        }
        for (let tries = 0; made.length < wanted && tries < 1200; tries++) {
            await new Promise((done) => setTimeout(done, 50));
        }
        const files = [];
        for (const [name, blob] of made) {
            const start = new Uint8Array(await blob.slice(0, 400).arrayBuffer());
            files.push([name, blob.size, String.fromCharCode(...start)]);
        }
        return [wanted, files];
    })()""")
    if len(files) != wanted:
        yield f"of {wanted} files, the page made {len(files)}"
    if len({name for name, _, _ in files}) != len(files):
        yield "several files have the same name"
    starts = {".png": "\x89PNG\r\n\x1a\n", ".svg": '<svg xmlns="http://www.w3.org/2000/svg"', ".csv": ""}
    for name, size, start in files:
        kind = name[-4:]
        if not start.startswith(starts[kind]) or size < 40 or (kind == ".csv" and "," not in start.split("\n")[0]):
            yield f"{name} is {size} bytes of {start[:60]!r}"


def faults_in_download(tab, page):
    """One PNG, through the browser's own download."""
    with tempfile.TemporaryDirectory() as folder:
        tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=folder)
        tab.open(page)
        size = tab.evaluate("""(() => {
            const figure = document.querySelector("figure");
            figure.querySelectorAll(".files button")[1].click();
            const { width, height } = figure.querySelector("svg").viewBox.baseVal;
            return [width, height];
        })()""")
        for _ in range(400):
            done = list(pathlib.Path(folder).glob("*.png"))
            if done and done[0].stat().st_size > 24:
                break
            time.sleep(0.05)
        else:
            yield "pressing PNG downloads nothing"
            return
        data = done[0].read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        if data[:8] != b"\x89PNG\r\n\x1a\n" or abs(width - 3 * size[0]) > 1 or abs(height - 3 * size[1]) > 3:
            yield f"{done[0].name} is {width} x {height} for a drawing of {size}"


def faults_in_dialog(tab, page):
    """A digest shows itself whole, on a phone too."""
    tab.open(page, WIDTHS[0])
    short, address, shown, right = tab.evaluate("""(() => {
        const digest = document.querySelector("button.digest");
        digest.click();
        const dialog = document.querySelector("dialog[open]");
        const texts = dialog ? [...dialog.querySelectorAll("dd")].map((place) => place.textContent) : [];
        return [digest.textContent, digest.title.split("\\n")[0], texts, dialog?.getBoundingClientRect().right ?? 1e9];
    })()""")
    if len(shown) != 3 or shown[0] != address or not shown[1].startswith(short) or f"'{address}'" not in shown[2]:
        yield f"pressing {short} shows {shown}"
    if right > WIDTHS[0]:
        yield f"the dialog of a digest reaches to {right}"


def faults_on_paper(tab, page, pictures):
    tab.open(page, PAPER, media="print")
    found = tab.evaluate(INSIDE)
    yield from (f"on paper: {fault}" for fault in found["faults"] if "offers" not in fault)
    printed = tab.pdf()
    pages = printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") + printed.count(b"/Type /Page ")
    if not printed.startswith(b"%PDF") or pages == 0:
        yield f"printing gives no PDF ({len(printed)} bytes, {pages} pages)"
    if pictures:
        (pictures / "printed.pdf").write_bytes(printed)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("page", type=pathlib.Path)
    arguments.add_argument("--pictures", type=pathlib.Path)
    given = arguments.parse_args()
    program = browser.find()
    if not program:
        print(f"no browser: none of {', '.join(browser.NAMES)} on PATH; set MCTUNE_TEST_BROWSER")
        return 77
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with browser.Browser(program) as tab:
        faults = list(faults_on_screen(tab, given.page, given.pictures))
        faults += faults_in_files(tab, given.page)
        faults += faults_in_download(tab, given.page)
        faults += faults_in_dialog(tab, given.page)
        faults += faults_on_paper(tab, given.page, given.pictures)
    print("\n".join(faults) if faults else "all is well")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
