"""Which requests of web browsers are served.

The emulator checks no credentials, so any web page that the user has open could use it. These checks keep
them out: the ``Host`` of a request must be a name of this machine, so no DNS name that was rebound to it; an
``Origin`` that is not the emulator's own must have been allowed; and what a link or an image of another site
asks for by a signed URL may be an object or speech, and nothing else of Polly's.
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
    """Refuses requests that a web page may have sent.

    :param origins: the origins, such as ``http://localhost:3000``, whose pages may call it.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = {_without_default_port(origin) for origin in origins}
        self._checks_host = True

    def bind(self, address: str) -> None:
        """Note the address that the emulator is bound to.

        Where other machines reach it, its names are not known, and any ``Host`` is accepted.

        :param address: an IP address.
        """
        self._checks_host = is_loopback(address)

    def refuse(self, request: Request) -> Response | None:
        """Return the refusal of a request, None where it is to be served.

        :param request: to any path.
        """
        host = request.headers.get("host", "")
        if self._checks_host and not is_local_name(host):
            return _forbidden(
                request,
                f"The Host {host[:100]!r} is not this machine's loopback: use localhost or 127.0.0.1 in the "
                "URL, or bind the emulator to another address with --host",
            )
        origin = request.headers.get("origin")
        if origin is None:
            return self._refuse_link(request)
        # Of a DNS name it is not known whose it is.
        is_own = is_address(host) and origin.lower() == f"http://{host}".lower()
        if is_own or self._allows(origin):
            return None
        return _forbidden(
            request,
            f"Web pages of {origin[:100]!r} may not call this emulator: "
            "start it with --cors-origin to allow them",
        )

    def _refuse_link(self, request: Request) -> Response | None:
        if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return None
        scope = scope_of(request)
        if scope is None or scope.service != "polly" or request.path == _SPEECH_PATH:
            return None
        return _forbidden(request, "A link of another site may name speech or an object, and nothing else")

    def preflight(self, request: Request) -> Response | None:
        """Answer the question of a browser whether a page may send a request; None where it is none.

        The answer is still to be shared.

        :param request: one that was not refused.
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
        """Let the page that sent a request read its answer, where its origin is allowed.

        :param request: the request.
        :param response: its answer.
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
        """Do the same for an answer that is still being made.

        :param request: the request.
        :param answer: gives its answer.
        """
        return self.share(request, await answer)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and _without_default_port(origin) in self._origins


@functools.lru_cache(maxsize=256)
def is_local_name(host: str) -> bool:
    """Return whether a ``Host`` is localhost, a name under it, or a loopback address.

    :param host: the header's value, with or without a port.
    """
    name = _name_of(host)
    return name.endswith(".localhost") or is_loopback(name)


def is_address(host: str) -> bool:
    """Return whether a ``Host`` is a name of this machine or an IP address, so not a DNS name of anyone.

    :param host: the header's value, with or without a port.
    """
    try:
        ipaddress.ip_address(_name_of(host))
    except ValueError:
        return is_local_name(host)
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

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
    # A browser leaves it out.
    origin = origin.lower()
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "/"))


def _forbidden(request: Request, message: str) -> Response:
    return refusal(request, 403, "AccessDeniedException", message)
