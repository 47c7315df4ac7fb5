"""Accounts of shoppers: how one is opened and proved, and what it holds.

Three rules carry it. An account exists only for an address whose mailbox was opened, so a stranger
cannot prepare one for somebody else. No page tells whether an address has an account: that is told
by mail, to the address itself. A mail is a row in the transaction that owes it.
"""
