"""Checks that decide which requests from web browsers are served.

The emulator checks no credentials, so any web page that the user has open could use it. Three checks prevent
this:

- The ``Host`` of a request must be a name of this machine. This blocks DNS rebinding, an attack in which the
  owner of a DNS name makes the name point to this machine.
- If a request has an ``Origin`` other than the emulator's own, the settings must allow this origin.
- A link or an image on another site can send a request with a presigned URL. The emulator serves such a
  request only if it asks Polly for speech or S3 for an object.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.http.messages import Response
from airflow_polly_provider.emulator.http.refusal import refusal, scope_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from airflow_polly_provider.emulator.http.messages import Request

_PREFLIGHT_SECONDS = "600"
_SPEECH_PATH = "/v1/speech"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class BrowserGuard:
    """Rejects requests that may come from a web page without permission.

    :param origins: the allowed origins, such as ``http://localhost:3000``.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = {_without_default_port(origin) for origin in origins}
        self._checks_host = True

    def bind(self, address: str) -> None:
        """Set the address that the emulator is bound to.

        If other machines can reach this address, the guard accepts any ``Host``, because it does not know by
        which names they reach the emulator.

        :param address: an IP address.
        """
        self._checks_host = is_loopback(address)

    def refuse(self, request: Request) -> Response | None:
        """Return an error response if the request must be rejected, else None.

        :param request: a request to any path.
        """
        host = request.headers.get("host", "")
        if self._checks_host and not is_local_name(host):
            return _forbidden(
                request,
                f"The Host {host[:100]!r} is not a loopback name: use localhost or 127.0.0.1 in the "
                "URL, or bind the emulator to another address with --host",
            )
        origin = request.headers.get("origin")
        if origin is None:
            return self._refuse_link(request)
        # A DNS name can belong to anyone. So only an address or a local name counts as the emulator's origin.
        is_own = is_address(host) and origin.lower() == f"http://{host}".lower()
        if is_own or self._allows(origin):
            return None
        return _forbidden(
            request,
            f"Web pages of {origin[:100]!r} may not call this emulator. "
            "To allow them, start the emulator with --cors-origin and this origin",
        )

    def _refuse_link(self, request: Request) -> Response | None:
        if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return None
        scope = scope_of(request)
        if scope is None or scope.service != "polly" or request.path == _SPEECH_PATH:
            return None
        return _forbidden(
            request, "A link on another site may request only speech (SynthesizeSpeech) or an S3 object"
        )

    def preflight(self, request: Request) -> Response | None:
        """Return the response to a CORS preflight request; None if the request is not one.

        Pass the response to :meth:`share`, which adds the remaining CORS headers.

        :param request: a request that was not rejected.
        """
        method = request.headers.get("access-control-request-method")
        if request.method != "OPTIONS" or method is None or not self._allows(request.headers.get("origin")):
            return None
        headers = [("Access-Control-Allow-Methods", method), ("Access-Control-Max-Age", _PREFLIGHT_SECONDS)]
        asked = request.headers.get("access-control-request-headers")
        if asked:
            headers.append(("Access-Control-Allow-Headers", asked))
        return Response(204, b"", tuple(headers))

    def share(self, request: Request, response: Response) -> Response:
        """Return the response, with CORS headers if the request's origin is allowed.

        With these headers, the page that sent the request can read the response.

        :param request: the request.
        :param response: the response to the request.
        """
        origin = request.headers.get("origin")
        if origin is not None and self._allows(origin):
            response.headers += (
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", "*"),
                ("Vary", "Origin"),
            )
        return response

    async def share_later(self, request: Request, answer: Awaitable[Response]) -> Response:
        """Wait for a response, and return it as :meth:`share` does.

        :param request: the request.
        :param answer: an awaitable that returns the response to the request.
        """
        return self.share(request, await answer)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and _without_default_port(origin) in self._origins


@functools.lru_cache(maxsize=256)
def is_local_name(host: str) -> bool:
    """Return whether a ``Host`` is localhost, a name that ends in ``.localhost``, or a loopback address.

    :param host: the header's value, with or without a port.
    """
    name = _name_of(host)
    return name.endswith(".localhost") or is_loopback(name)


def is_address(host: str) -> bool:
    """Return whether a ``Host`` is a local name or an IP address, and not some other DNS name.

    :param host: the header's value, with or without a port.
    """
    try:
        ipaddress.ip_address(_name_of(host))
    except ValueError:
        return is_local_name(host)
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address.

    :param host: an IP address, or localhost.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name_of(host: str) -> str:
    name, separator, port = host.rpartition(":")
    if not separator or not port.isdecimal():
        name = host
    return name.lower().rstrip(".").removeprefix("[").removesuffix("]")


def _without_default_port(origin: str) -> str:
    # Browsers omit the default port in Origin.
    origin = origin.lower()
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "/"))


def _forbidden(request: Request, message: str) -> Response:
    return refusal(request, 403, "AccessDeniedException", message)
