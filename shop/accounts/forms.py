"""The forms of the account pages. Passwords pass through and are never echoed or logged."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password

from shop.forms import AddressForm
from shop.models import Account

_LONGEST_PASSWORD = 128


def email_field(label: str = "E-mail", **kwargs: Any) -> forms.EmailField:
    return forms.EmailField(
        label=label,
        max_length=254,
        error_messages={
            "required": "The e-mail address is missing. Please add it.",
            "invalid": "This is not an e-mail address. It looks like name@example.org.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
        **kwargs,
    )


def password_field(label: str, autocomplete: str, **kwargs: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=_LONGEST_PASSWORD,
        strip=False,
        error_messages={
            "required": "The password is missing. Please type it.",
            "max_length": f"A password may have up to {_LONGEST_PASSWORD} characters.",
        },
        widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
        **kwargs,
    )


class EmailForm(forms.Form):
    """Asks for a mail. What is answered does not depend on the address."""

    email = email_field()

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        # Letters that only look like, or fold to, those of another mailbox.
        if not email.rpartition("@")[0].isascii():
            raise forms.ValidationError(
                "Before the @ we know plain letters and digits only. Please check the address."
            )
        return email


class FindOrderForm(EmailForm):
    number = forms.CharField(
        label="Order number",
        max_length=12,
        required=False,
        help_text="Such as 7K2Q-9FWD. Leave it empty to get all of them.",
        error_messages={"max_length": "An order number looks like 7K2Q-9FWD."},
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "autocomplete": "off"}),
    )

    def clean_number(self) -> str:
        return str(self.cleaned_data["number"]).strip().upper()


class SignInForm(forms.Form):
    email = email_field()
    password = password_field("Password", "current-password")


class NewPasswordForm(forms.Form):
    """A new password for an account, or for an address that is about to have one."""

    password = password_field(
        "New password", "new-password", help_text="At least 8 characters; a sentence is fine."
    )

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password, User())
        return password


class OwnPasswordForm(forms.Form):
    """Shows that the person at the keyboard is the account's. ``account`` has the user."""

    old_password = password_field("Your password now", "current-password")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._account = account

    def clean_old_password(self) -> str:
        if not self._account.user.check_password(self.cleaned_data["old_password"]):
            raise forms.ValidationError("This is not your password. Please try again.")
        return ""


class ChangePasswordForm(OwnPasswordForm, NewPasswordForm):
    field_order = ["old_password", "password"]


class ChangeEmailForm(OwnPasswordForm, EmailForm):
    field_order = ["email", "old_password"]


class BookForm(AddressForm):
    """One entry of the address book."""

    make_default = forms.BooleanField(
        label="Use it at the checkout unless I choose another one", required=False
    )
