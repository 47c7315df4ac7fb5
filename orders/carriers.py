"""The carriers that the shop sends parcels with, and where each shows a parcel's way. Pure."""

from urllib.parse import quote

CARRIERS = {
    "dhl": "DHL",
    "dpd": "DPD",
    "gls": "GLS",
    "hermes": "Hermes",
    "ups": "UPS",
    "other": "another carrier",
}
_PAGES = {
    "dhl": "https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode={}",
    "dpd": "https://tracking.dpd.de/status/de_DE/parcel/{}",
    "gls": "https://gls-group.com/track/{}",
    "hermes": "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation#{}",
    "ups": "https://www.ups.com/track?tracknum={}",
}


def tracking_url(carrier: str, code: str) -> str:
    """The carrier's page for the parcel, or '' where there is none."""
    page = _PAGES.get(carrier, "")
    return page.format(quote(code, safe="")) if page and code else ""
