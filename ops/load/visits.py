"""A browser that counts what it was answered, and does not try again."""

import threading
from collections import Counter
from typing import Self

import httpx
from lxml import html

from ops.demo.browser import Browser, Page, PageError

BUSY = "busy (503)"
BROKEN = "broken (5xx)"


class Answers:
    """What all browsers together were answered. Safe for threads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def page(self, page: Page, method: str) -> None:
        """A 503 that says so is an honest answer; any other 5xx is a defect."""
        honest = page.status == 503 and "try again" in page.document.text_content()
        if honest:
            self.count(BUSY)
        elif page.status >= 500:
            self.count(BROKEN)
            self.broken.append(f"{method} {page.url}: {page.status}")
        else:
            self.count(f"{page.status // 100}xx")


class CountingBrowser(Browser):
    def __init__(self, base: str, answers: Answers) -> None:
        super().__init__(base)
        self._answers = answers

    def __enter__(self) -> Self:
        return self

    def _request(self, method: str, url: str, fields: dict[str, str] | None = None) -> Page:
        try:
            response = self._client.request(
                method, url, data=fields, headers={"Referer": str(self._client.base_url)}
            )
        except httpx.TransportError as error:
            self._answers.count("no answer")
            raise PageError(f"{method} {url}: {error}") from error
        document = html.document_fromstring(response.text or "<html></html>")
        page = Page(str(response.url), response.status_code, document)
        self._answers.page(page, method)
        return page
