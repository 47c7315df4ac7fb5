"""The proof of a period as a page of the admin, and as signed files. It changes nothing."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from orders.services.proof import Limits, Period, Proof, TooMuch, prove
from orders.services.proof_document import FORMATS, page_context
from orders.services.proof_signature import NoProofKey
from tasks.errors import TaskError

PERMISSION = "orders.see_proof"
# A page is waited for by a person, and holds one of the web's processes.
MOST_ORDERS, MOST_SECONDS = 5_000, 20.0


def _day_field() -> forms.Widget:
    """The browser's own calendar: it works without a script, and speaks ISO dates."""
    widget: forms.Widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return widget


class PeriodForm(forms.Form):
    """Both days are included, by the shop's calendar."""

    first = forms.DateField(label="From", widget=_day_field())
    last = forms.DateField(label="To", widget=_day_field())

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "first" in given and "last" in given and given["last"] < given["first"]:
            raise forms.ValidationError("The period ends before it begins. Change one of the days.")
        return given

    def period(self) -> Period:
        return Period(self.cleaned_data["first"], self.cleaned_data["last"])


class ProofPages:
    """Mix in before a ModelAdmin: its model's permission to see the proof opens the page."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(require_safe(self.proof)))
        ours = [path("proof/", view, name="orders_proof")]
        theirs: list[URLPattern] = super().get_urls()  # type: ignore[misc]  # a mixin
        return [*ours, *theirs]

    def proof(self, request: HttpRequest) -> HttpResponse:
        """GET asks for a period; with one, it is proved at once and shown or sent as a file."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        if "first" not in request.GET:
            return self._page(request, PeriodForm(initial=_last_week()))
        form = PeriodForm(request.GET)
        if not form.is_valid():
            return self._page(request, form, status=422)
        try:
            proof = prove(form.period(), limits=_limits(form.period()))
            if (wanted := request.GET.get("as", "page")) in FORMATS:
                return _file(proof, wanted)
        except (TooMuch, NoProofKey) as fact:
            return self._page(request, form, status=422, trouble=str(fact))
        except TaskError as error:
            trouble = f"The provider's books cannot be read now: {error} Try again later."
            return self._page(request, form, status=503, trouble=trouble)
        except OperationalError:
            trouble = "The database was too slow for this. Choose a shorter period, or try later."
            return self._page(request, form, status=503, trouble=trouble)
        return self._page(request, form, **page_context(proof))

    def _page(
        self, request: HttpRequest, form: PeriodForm, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        period = form.period() if form.is_bound and form.is_valid() else None
        context |= {"title": "Proof", "form": form, "limits": _limits(period)}
        site = self.admin_site.each_context(request)
        return TemplateResponse(
            request, "orders/proof/page.html", {**site, **context}, status=status
        )


def _limits(period: Period | None) -> Limits:
    days = f"--from {period.first} --to {period.last}" if period else "--from DAY --to DAY"
    command = f"manage.py audit {days} --html FILE --json FILE"
    return Limits(MOST_ORDERS, MOST_SECONDS, command)


def _last_week() -> dict[str, Any]:
    today = timezone.localdate()
    return {"first": today - timedelta(days=6), "last": today}


def _file(proof: Proof, name: str) -> HttpResponse:
    write, content_type = FORMATS[name]
    words = proof.about.replace(" ", "-")
    return HttpResponse(
        write(proof),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="proof-{words}.{name}"'},
    )
