"""S3, SNS, SQS and STS, served by moto's server application in this process."""

from __future__ import annotations

import io
import re
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import quote, urlencode
from xml.sax.saxutils import unescape

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.http.messages import Request

_CREDENTIAL = "AWS4-HMAC-SHA256 Credential=emulator/20200101/{region}/{service}/aws4_request"
Service = Literal["s3", "sns", "sqs", "sts"]
SERVICES: tuple[Service, ...] = get_args(Service)
"""The services other than Polly, by their names in a credential scope."""

# For these two services, a URL alone can request an action, and a web page can make a browser open any URL.
# Therefore, the emulator accepts no presigned URLs for them.
_NOT_BY_URL = {"sns", "sqs"}
# The control paths of moto and of the emulator. If the emulator's control paths are written with extra
# slashes or percent-encoding, the router does not recognize them, and this module receives the requests.
_CONTROL_PATH = re.compile(r"/+(?:moto-api|_emulator)(?:/|$)")
_UNSIGNED_STS = re.compile(rb"(?:^|&)Action=AssumeRoleWith(?:SAML|WebIdentity)(?:&|$)")
# Headers that are removed from moto's responses, because the emulator itself decides how a response is sent
# and which web pages may read it.
_LEFT_OUT = re.compile(r"connection|transfer-encoding|access-control-.*", re.IGNORECASE)


def service_of(request: Request, signed_for: str | None) -> Service:
    """Return the service that a request is for: S3, SNS, SQS or STS.

    moto's own server also considers the path. Requests to it can therefore reach moto's control paths and a
    hundred other services. This function rejects control paths, and otherwise ignores the path. It returns
    one of :data:`SERVICES`.

    :param request: the request.
    :param signed_for: the service in the request's credential scope; None for an unsigned request.
    :raises ApiError: if the emulator does not serve the service or the path.
    """
    if _CONTROL_PATH.match(request.decoded_path):
        raise ApiError("AccessDeniedException", "Access to control paths is denied", status=403)
    if signed_for is None:
        return "sts" if request.method == "POST" and _UNSIGNED_STS.search(request.body) else "s3"
    service = next((service for service in SERVICES if service == signed_for), None)
    if service is None:
        raise ApiError(
            "UnknownOperationException",
            f"The emulator does not serve {signed_for}: it serves polly, {', '.join(SERVICES)}",
            status=501,
        )
    if service in _NOT_BY_URL and "authorization" not in request.headers:
        raise ApiError(
            "AccessDeniedException", f"A request to {service} must be signed in its headers", status=403
        )
    return service


class Aws:
    """Calls moto's services directly, without using the network.

    Importing moto takes seconds. The first call imports moto, unless :meth:`load` has already done so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._applications: dict[Service, Callable[..., Any]] = {}

    def load(self, service: Service = "s3") -> Callable[..., Any]:
        """Return moto's application for a service. The first call for a service imports it.

        :param service: one of :data:`SERVICES`.
        """
        with self._lock:
            if service not in self._applications:
                from moto.moto_server.werkzeug_app import create_backend_app

                self._applications[service] = create_backend_app(service)
            return self._applications[service]

    def serve(self, request: Request, service: Service) -> Response:
        """Return the response to a client's request. Blocks; call it from a worker thread.

        :param request: a request to any service except Polly.
        :param service: one of :data:`SERVICES`.
        """
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": request.decoded_path,
            "QUERY_STRING": request.query,
            "RAW_URI": f"{request.path}?{request.query}" if request.query else request.path,
            "REQUEST_URI": f"{request.path}?{request.query}" if request.query else request.path,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(request.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        host, _, port = request.headers.get("host", "localhost").rpartition(":")
        environ["SERVER_NAME"], environ["SERVER_PORT"] = (host, port) if host else (port, "80")
        for name, value in request.headers.items():
            if name == "content-type":
                environ["CONTENT_TYPE"] = value
            elif name not in ("content-length", "transfer-encoding") and "_" not in name:
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        return self._run(environ, service)

    def call(
        self,
        service: Service,
        region: str,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        """Send a request from the emulator itself to a service. Blocks.

        :param service: the service, such as ``s3``.
        :param region: the region, such as ``us-east-1``.
        :param method: the HTTP method.
        :param path: the path, percent-encoded, with the query string if there is one.
        :param body: the body.
        :param content_type: the content type of the body.
        """
        from airflow_polly_provider.emulator.http.messages import Request

        raw_path, _, query = path.partition("?")
        headers = {
            "host": "127.0.0.1:80",
            "authorization": _CREDENTIAL.format(region=region, service=service)
            + ", SignedHeaders=host, Signature=0",
        }
        if content_type:
            headers["content-type"] = content_type
        return self.serve(Request(method, raw_path, query, headers, body), service)

    def create_bucket(self, name: str, region: str) -> None:
        """Create a bucket if it does not exist.

        :param name: the bucket's name.
        :param region: the bucket's region.
        :raises ValueError: if S3 does not create the bucket.
        """
        body = b""
        if region != "us-east-1":
            body = (
                b"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
                b"</CreateBucketConfiguration>" % region.encode()
            )
        answer = self.call("s3", region, "PUT", f"/{name}", body=body)
        if answer.status not in (200, 409):
            raise ValueError(f"S3 did not create the bucket {name!r}: {answer.body.decode(errors='replace')}")

    def empty_bucket(self, name: str, region: str) -> None:
        """Delete every object in a bucket, if the bucket exists.

        :param name: the bucket's name.
        :param region: the region for which the requests are signed.
        """
        while True:
            answer = self.call("s3", region, "GET", f"/{name}?list-type=2")
            keys = re.findall(rb"<Key>(.*?)</Key>", answer.body, re.DOTALL)
            if not keys:
                return
            for key in keys:
                self.call("s3", region, "DELETE", f"/{name}/{quote(unescape(key.decode()))}")

    def delete_bucket(self, name: str, region: str) -> None:
        """Delete a bucket with all its objects, if it exists.

        :param name: the bucket's name.
        :param region: the region for which the requests are signed.
        """
        self.empty_bucket(name, region)
        self.call("s3", region, "DELETE", f"/{name}")

    def bucket_exists(self, name: str, region: str) -> bool:
        """Return whether a bucket exists.

        :param name: the bucket's name.
        :param region: the region for which the request is signed.
        """
        return self.call("s3", region, "HEAD", f"/{name}").status == 200

    def put_object(self, bucket: str, key: str, body: bytes, *, region: str, content_type: str) -> Response:
        """Write an object.

        :param bucket: the bucket's name.
        :param key: the object's key.
        :param body: the object's content.
        :param region: the region for which the request is signed.
        :param content_type: the object's content type.
        """
        return self.call(
            "s3",
            region,
            "PUT",
            f"/{bucket}/{quote(key)}",
            body=body,
            content_type=content_type,
        )

    def publish(self, topic_arn: str, message: str, *, subject: str, region: str) -> Response:
        """Publish a message to an SNS topic.

        :param topic_arn: the topic's ARN.
        :param message: the message.
        :param subject: the subject.
        :param region: the region for which the request is signed.
        """
        form = {
            "Action": "Publish",
            "Version": "2010-03-31",
            "TopicArn": topic_arn,
            "Subject": subject,
            "Message": message,
        }
        return self.call(
            "sns",
            region,
            "POST",
            "/",
            body=urlencode(form).encode(),
            content_type="application/x-www-form-urlencoded; charset=utf-8",
        )

    def _run(self, environ: dict[str, Any], service: Service) -> Response:
        status, headers = 500, []

        def start_response(line: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
            nonlocal status, headers
            status = int(line.split(" ", 1)[0])
            headers = fields

        body = self.load(service)(environ, start_response)
        try:
            whole = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        if environ["REQUEST_METHOD"] != "HEAD":
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        kept = tuple((name, value) for name, value in headers if not _LEFT_OUT.fullmatch(name))
        return Response(status, whole, kept)
