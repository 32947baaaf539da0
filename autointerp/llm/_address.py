"""Addresses of models: `openai:NAME`, `anthropic:NAME`, `openai:NAME@URL`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from autointerp.errors import AddressError

_FORM = re.compile(r"(?P<provider>[a-z][a-z0-9_-]*):(?P<model>.+?)(?:@(?P<url>https?://.*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Who is asked: a provider (how it is spoken to), a model, and a server where it is not the provider's own."""

    provider: str
    model: str
    url: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address as it is written on the command line.

        Raises AddressError where it has another form, or where the URL carries a name or a password.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or not match["model"].strip():
            # Not repeated in the message: whoever gets the form wrong may have put a key there.
            raise AddressError("this is no model address: write PROVIDER:MODEL or PROVIDER:MODEL@http://HOST:PORT/v1")
        return cls(match["provider"].lower(), match["model"], server(match["url"]) if match["url"] else None)

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" + (f"@{self.url}" if self.url else "")


def server(url: str) -> str:
    """The URL of a server in one form. Raises AddressError where it carries a name, a password or a query."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AddressError(
            f"the address of the server {parts.hostname} carries more than scheme, host and path:"
            " a key belongs in the environment"
        )
    if not parts.hostname:
        raise AddressError("the address of the server names no host: write http://HOST:PORT/v1")
    return urlunsplit((parts.scheme.lower(), parts.netloc, parts.path.rstrip("/"), "", ""))
