"""The picture of the page: `python docs/screenshot.py http://localhost:8000`, while `diffbin serve` runs there.

Needs `pip install playwright` and a Chromium, whose file `CHROMIUM` may name.
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
VIEW = {"width": 1000, "height": 820}


def main(server: str) -> None:
    """Writes docs/serve.jpg."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW)
        page.goto(server)
        page.set_input_files("#file", DOCS.parent / "examples" / "img_925.jpg")
        page.wait_for_selector("polygon")
        page.screenshot(path=DOCS / "serve.jpg", type="jpeg", quality=85)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
