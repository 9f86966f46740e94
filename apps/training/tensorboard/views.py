"""TensorBoard behind the access door: the page that starts it, and everything that its own page asks for."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from apps.projects.access import Access, AccessRequest, enter_project, project_page
from apps.training.models import TrainingRun
from apps.training.tensorboard import logs, passes, proxy
from apps.training.tensorboard.boards import AllInUseError, Board, boards

RETRY_S = 1
FULL_RETRY_S = 10


@project_page()
@require_GET
def open_one(request: AccessRequest) -> HttpResponseBase:
    """Start the project's TensorBoard and lead to it. `?run=<id>`: only this one is ticked there at first."""
    access = request.access
    run = _run_asked_for(access, request.GET.get("run", ""))
    if not settings.TENSORBOARD_MAX:
        return _waiting(request, run, state="off")
    if "again" in request.GET:
        failed = boards().running(access.project.pk)
        if failed is not None and failed.state == "failed":  # one that runs is everybody's
            boards().close(failed)
        return HttpResponseRedirect(_address_to_open(access, run))
    try:
        board = boards().open(access.project.pk, lambda: logs.missing(access, logs.Laid(), run))
    except AllInUseError:
        return _waiting(request, run, state="full", retry_s=FULL_RETRY_S)
    if board.state == "failed":
        return _waiting(request, run, state="failed", board=board)
    if board.state == "starting":
        return _waiting(request, run, state="starting", retry_s=RETRY_S)
    boards().add(board, logs.missing(access, board.laid, run))
    where = _where(access)
    address = reverse("tensorboard-page", args=[*where, passes.new_pass(request, access)])
    if run is not None:
        only = logs.folder_name(run).replace(".", "\\.")
        address += "?" + urlencode({"runFilter": f"^{only}$"})
    return HttpResponseRedirect(address)


@csrf_exempt  # the pass in the address is what no other site can know; no cookie is looked at for a POST
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def show(request: HttpRequest, organization: str, project: str, token: str, path: str) -> HttpResponseBase:
    """TensorBoard's page (`path` is empty), and what that asks for.

    The page is a person's, by their cookie. What it asks for comes without cookies, so there the pass in the address
    says who asks; everything else about them is looked up again.
    """
    is_page = path == ""
    holder = passes.holder_of(token)
    if holder is None or is_page:
        return _page(request, organization=organization, project=project, holder=holder)
    access = enter_project(holder.user, scope=None, organization__slug=organization, slug=project)
    if access.project.pk != holder.project:
        raise Http404("This address is of another project.")
    return _forwarded(request, access, path, token)


@project_page()
def _page(request: AccessRequest, holder: passes.Holder | None) -> HttpResponseBase:
    access = request.access
    is_own = holder is not None and (holder.session, holder.project) == (
        request.session.session_key,
        access.project.pk,
    )
    board = boards().running(access.project.pk)
    if not is_own or request.method not in {"GET", "HEAD"} or board is None or board.state != "ready":
        return HttpResponseRedirect(_address_to_open(access, None))
    return _forwarded(request, access, "", request.path.rstrip("/").rpartition("/")[2])


def _forwarded(request: HttpRequest, access: Access, path: str, token: str) -> HttpResponseBase:
    prefix = reverse("tensorboard-page", args=[*_where(access), token])
    if request.method == "OPTIONS":
        return proxy.preflight(request, prefix)
    board = boards().running(access.project.pk)
    if board is None:  # it was idle, or runs in another web process
        with suppress(AllInUseError):
            board = boards().open(access.project.pk, lambda: logs.missing(access, logs.Laid()))
    if board is None or board.state != "ready":
        gone = HttpResponse("TensorBoard is not there yet. Try again.", "text/plain", 503)
        return proxy.guarded(request, gone, prefix, is_page=False)
    if board.looks_again():
        boards().add(board, logs.missing(access, board.laid))
    return proxy.forward(request, path, board.process.socket, prefix, is_page=not path)


def _waiting(
    request: AccessRequest, run: TrainingRun | None, *, state: str, retry_s: int = 0, board: Board | None = None
) -> HttpResponse:
    """A page that says why there is no TensorBoard yet, and asks again by itself where that helps."""
    context = {
        "run": run,
        "state": state,
        "most": settings.TENSORBOARD_MAX,
        "why": board.why if board else "",
        "said": "\n".join(board.process.said) if board else "",
    }
    response = render(request, "training/tensorboard.html", context)
    if retry_s:
        response["Refresh"] = str(retry_s)
    patch_cache_control(response, no_store=True)
    return response


def _run_asked_for(access: Access, given: str) -> TrainingRun | None:
    """The run with this id; None where none was named. Raises Http404."""
    if not given:
        return None
    try:
        id = UUID(given)  # noqa: A001
    except ValueError:
        raise Http404("No training run with this id in this project.") from None
    return access.get(TrainingRun, id, access.query(TrainingRun).select_related("job"))


def _address_to_open(access: Access, run: TrainingRun | None) -> str:
    address = reverse("tensorboard", args=_where(access))
    return f"{address}?run={run.pk}" if run else address


def _where(access: Access) -> list[str]:
    return [access.organization.slug, access.project.slug]
