"""A long list in Chromium: frames a second at rest and while it scrolls, memory over minutes.

    python -m bench.rows [--symbols 1000] [--seconds 10] [--other ROOT]
    python -m bench.rows --symbols 500 --minutes 30

The second one looks at a server whose database is away, and whose spool is small: half an hour of
5,000 prices a second is some 2 GB of history, and it is the page that is looked at.
`--other` is another working tree of the repository: both are looked at in turns, in one browser.
Needs Chromium and what `make test` installs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.browser import chromium
from tests.browser.dashboard import A_PRICE, Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser, CDPSession, Page

ROOT = Path(__file__).parent.parent
WAIT_MS = 120_000
ROUNDS = 3
REST_TARGET, SCROLL_TARGET = 50, 40
SAMPLE_SECONDS = 30
# Frames by requestAnimationFrame, the longest of them, and the part of the time in long tasks.
MEASURE = """
([seconds, scroll]) => new Promise((resolve) => {
  let frames = 0, worst = 0, busy = 0, last = performance.now();
  const end = last + seconds * 1000, began = last;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) busy += entry.duration;
  });
  observer.observe({ type: "longtask" });
  let step = 60;
  const next = (now) => {
    frames += 1;
    worst = Math.max(worst, now - last);
    last = now;
    if (scroll) {
      const bottom = document.documentElement.scrollHeight - innerHeight;
      if (scrollY >= bottom - 1) step = -60;
      else if (scrollY <= 0) step = 60;
      scrollBy(0, step);
    }
    if (now < end) requestAnimationFrame(next);
    else {
      observer.disconnect();
      const took = (now - began) / 1000;
      resolve({ fps: frames / took, worst, busy: busy / 10 / took });
    }
  };
  requestAnimationFrame(next);
})
"""


NO_HISTORY = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SPOOL_SIZE": "64000000"}


@contextmanager
def serving(root: Path, symbols: int, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a server of this working tree, whose market moves ten times a second."""
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "PORT": "0",
            "DATA_DIRECTORY": folder,
            "STOCK_API_URL": f"sim://?symbols={symbols}&interval=0.1",
            "PYTHONPATH": str(root),
        }
        command = [sys.executable, "-m", "stockstream", "serve"]
        with subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, **given, **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                url = next(
                    (line.split()[-1] for line in process.stdout if "dashboard" in line), None
                )
                if url is None:
                    raise RuntimeError(f"{root}: the server ended before it said where it is")
                # Its log is read on: a full pipe would stop it.
                forget = deque[str](maxlen=0).extend
                threading.Thread(target=forget, args=(process.stdout,), daemon=True).start()
                yield url
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()


def open_list(browser: Browser, url: str, symbols: int) -> Page:
    """A dashboard with so many rows, all with prices."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    names = page.request.get(f"{url}/api/v1/symbols").json()["symbols"]
    while len(names) < symbols:
        time.sleep(0.2)
        names = page.request.get(f"{url}/api/v1/symbols").json()["symbols"]
    page.goto(url)
    dashboard = Dashboard(page)
    wanted = [item["symbol"] for item in names]
    for first in range(0, symbols, 400):  # as much as the field takes at once
        dashboard.subscribe(" ".join(wanted[first : first + 400]))
    page.wait_for_function(
        "count => document.querySelectorAll('[data-testid^=row-]').length === count", arg=symbols
    )
    expect(dashboard.price(wanted[-1])).to_have_text(A_PRICE, timeout=WAIT_MS)
    page.evaluate("document.activeElement.blur()")
    return page


def show(name: str, found: dict[str, float]) -> None:
    print(
        f"{name:24} {found['fps']:5.1f} frames/s, worst {found['worst']:4.0f} ms, "
        f"long tasks {found['busy']:4.1f} %",
        flush=True,
    )


def frames(pages: dict[str, Page], seconds: float) -> None:
    """All pages in turns; the others are hidden meanwhile, and paint nothing."""
    for number in range(ROUNDS):
        for name, page in pages.items():
            page.bring_to_front()
            for what, scroll in (("at rest", False), ("scrolling", True)):
                found = page.evaluate(MEASURE, [seconds, scroll])
                show(f"{number + 1} {name} {what}", found)


def metrics(session: CDPSession) -> dict[str, Any]:
    session.send("HeapProfiler.collectGarbage")
    told = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in told}


def memory(page: Page, minutes: float) -> bool:
    """Whether the heap and the document stay flat, from the second sample on."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    first: dict[str, Any] | None = None
    ends = time.monotonic() + minutes * 60
    flat = True
    while True:
        page.wait_for_timeout(SAMPLE_SECONDS * 1000)
        now = metrics(session)
        first = first or now
        grown = now["JSHeapUsedSize"] / first["JSHeapUsedSize"]
        flat = grown < 1.25 and now["Nodes"] <= first["Nodes"] * 1.02
        print(
            f"{(time.monotonic() - ends) / 60 + minutes:5.1f} min  heap "
            f"{now['JSHeapUsedSize'] / 1e6:6.2f} MB ({grown:4.2f}), nodes {now['Nodes']:.0f}, "
            f"listeners {now['JSEventListeners']:.0f}",
            flush=True,
        )
        if time.monotonic() >= ends:
            return flat


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--minutes", type=float, help="look at memory for so long instead")
    parser.add_argument("--other", type=Path, help="another working tree, looked at in turns")
    asked = parser.parse_args()
    path = chromium.find()
    if path is None:
        raise SystemExit("bench.rows: no Chromium on PATH, and CHROMIUM names none")
    settings = None if asked.minutes is None else NO_HISTORY
    with chromium.launched(path) as browser, serving(ROOT, asked.symbols, settings) as url:
        page = open_list(browser, url, asked.symbols)
        if asked.minutes is not None:
            sys.exit(not memory(page, asked.minutes))
        if asked.other is None:
            frames({"this": page}, asked.seconds)
        else:
            with serving(asked.other.resolve(), asked.symbols) as other:
                pages = {"other": open_list(browser, other, asked.symbols), "this": page}
                frames(pages, asked.seconds)
        print(f"at least {REST_TARGET} frames/s at rest and {SCROLL_TARGET} while scrolling wanted")


if __name__ == "__main__":
    main()
