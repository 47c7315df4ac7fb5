"""A browser without a screen: pages, links, forms with their hidden fields, cookies."""

import time
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx
from lxml import html

TIMEOUT_SECONDS = 20.0
# A web process may be restarting, or be killed by a test: a person would press the button again.
TRIES = 30
PAUSE_SECONDS = 0.5


class PageError(Exception):
    """The shop answered something that a person could not go on with."""


@dataclass(frozen=True, slots=True)
class Page:
    url: str
    status: int
    document: html.HtmlElement

    def one(self, xpath: str) -> html.HtmlElement | None:
        found = self.document.xpath(xpath)
        return found[0] if found else None

    def texts(self, xpath: str) -> list[str]:
        return [" ".join(node.text_content().split()) for node in self.document.xpath(xpath)]


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it would be submitted."""

    action: str
    fields: dict[str, str]


class Browser:
    """One person's browser. ``twin`` is a second tab: same cookies, own connection."""

    def __init__(
        self, base: str, cookies: httpx.Cookies | None = None, *, language: str = "en"
    ) -> None:
        self._client = httpx.Client(
            base_url=base,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
            cookies=cookies,
            headers={"Accept-Language": language},
        )

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def twin(self) -> "Browser":
        return Browser(str(self._client.base_url), httpx.Cookies(self._client.cookies))

    def get(self, url: str) -> Page:
        return self._request("GET", url)

    def submit(self, form: Filled) -> Page:
        return self._request("POST", form.action, form.fields)

    def _request(self, method: str, url: str, fields: dict[str, str] | None = None) -> Page:
        problem = ""
        for _ in range(TRIES):
            try:
                response = self._client.request(
                    method, url, data=fields, headers={"Referer": str(self._client.base_url)}
                )
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.status_code < 500:
                    document = html.document_fromstring(response.text or "<html></html>")
                    return Page(str(response.url), response.status_code, document)
                problem = f"status {response.status_code}"
            time.sleep(PAUSE_SECONDS)
        raise PageError(f"{method} {url}: no answer after {TRIES} tries, the last was {problem}")


def fill(page: Page, form_id: str, **values: str) -> Filled:
    """The form with what the page had in it and what a person typed over it."""
    form = page.one(f"//form[@id='{form_id}']")
    if not isinstance(form, html.FormElement):
        title = " ".join(page.texts("//h1"))
        raise PageError(f"{page.url} ({page.status}, {title!r}) has no form #{form_id}")
    fields = {str(name): str(value) for name, value in form.form_values()}
    return Filled(urljoin(page.url, form.get("action") or page.url), {**fields, **values})
