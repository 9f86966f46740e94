"""The content policy of pages whose scripts are not ours: looser than the console's, but not none."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

# The admin's theme (Alpine.js) evaluates expressions in attributes; the API reader starts from an inline script.
PREFIXES = ("/admin/", "/api/docs/")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def foreign_scripts(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that sets the policy below PREFIXES, which `csp.middleware` leaves out."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith(PREFIXES):
            response.headers["Content-Security-Policy"] = POLICY
        return response

    return respond
