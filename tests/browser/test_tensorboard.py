"""TensorBoard as people open it: it paints under its policy, shows the run, and can't reach the platform."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, Route, StorageState, expect

from tests.browser.axe import problems_of

# Runs inside of the platform under test: a run that left its event files in the storage, one that seems to be at work.
SEED = """
import tempfile
from datetime import timedelta
from pathlib import Path
from django.utils import timezone
from apps.accounts.models import Role
from apps.jobs.handlers import Folder
from apps.jobs.models import Job, JobEvent
from apps.models.files import trained_files_prefix
from apps.projects.models import Project
from apps.training.models import TrainingRun
from apps.training.tensorboard import archives
from apps.training.tensorboard.events import first_event, scalars_event
from tests.access.world import COMPLETE, make_world

world = make_world("boards")
project, owner = world.project, world.people[Role.OWNER]
first = TrainingRun.objects.for_project(project).get()
now = timezone.now()
found = []
for number, state in ((2, "succeeded"), (3, "running")):
    until = {"lease_expires_at": now + timedelta(days=1)} if state == "running" else {"finished_at": now}
    job = Job.across_tenants.create(
        project=project, kind="train", title=f"Train {number}", state=state, last_sequence=50, started_at=now,
        fencing_token=1, **until)
    run = TrainingRun.across_tenants.create(
        project=project, number=number, name=f"Rate {number}", dataset_version=first.dataset_version, model=first.model,
        spec=COMPLETE, spec_yaml="students: []", job=job)
    found.append(str(run.pk))
    if state == "running":
        JobEvent.across_tenants.bulk_create(
            JobEvent(project=project, job=job, sequence=step, kind="metrics", created_at=now,
                     data={"step": step, "values": {"student:small/loss": 1 / step}}) for step in range(1, 51))
        continue
    folder = Folder(Path(tempfile.mkdtemp()))
    logs = folder.out / "tensorboard"
    (logs / "projector/small").mkdir(parents=True)
    (logs / "events.out.tfevents.1700000000.bantam").write_bytes(first_event(now.timestamp()) + b"".join(
        scalars_event(step, now.timestamp() + step, {"student:small/loss": 2 / step}) for step in range(1, 101)))
    (logs / "projector/small/points.tsv").write_text("".join(f"{i % 3}\\t{i % 5}\\t{i % 7}\\n" for i in range(40)))
    (logs / "projector_config.pbtxt").write_text(
        'embeddings { tensor_name: "small" tensor_path: "projector/small/points.tsv" }\\n')
    stored = archives.store(folder, trained_files_prefix(job, 1))
    job.result = {"tensorboard": archives.noted(stored)}
    job.save()
for scheme in ("light", "dark"):  # of which no TensorBoard runs yet
    Project.across_tenants.create(organization=project.organization, name=scheme, slug=f"waiting-{scheme}")
seeded = {"list": f"/o/boards/p/{project.slug}/training/", "runs": found}
"""


@pytest.fixture
def opened(open_page: Callable[..., Page], seed: dict, state: StorageState) -> Page:
    """TensorBoard as the button on the page of the finished run opens it."""
    page = open_page(state=state)
    page.goto(f"{seed['list']}{seed['runs'][0]}/")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Open in TensorBoard").click()
    board = popup.value
    board.wait_for_url("**/training/tensorboard/*/?runFilter=**", timeout=30_000)
    return board


def test_it_paints_the_run_that_was_opened_and_the_others(opened: Page, seed: dict) -> None:
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.reload()
    card = opened.locator("card-view").first
    expect(card).to_contain_text("student:small/loss", timeout=30_000)
    expect(card).to_contain_text("2-Rate-2 0.0203 0.02 100")
    expect(card.locator("line-chart canvas, line-chart svg").first).to_be_visible()
    runs = opened.locator("runs-table")
    expect(runs).not_to_contain_text("3-Rate-3")
    opened.get_by_role("textbox", name="Filter runs (regex)").fill("")
    expect(runs).to_contain_text("3-Rate-3")
    # The projector is a document in a frame in a frame, draws in 3D and compiles formulas.
    opened.goto(f"{opened.url.split('#')[0]}#projector")
    projector = opened.frame_locator("iframe").frame_locator("iframe")
    expect(projector.get_by_text("Points: 40")).to_be_visible(timeout=15_000)
    assert [text for text in complaints if "autofocus" not in text] == []


def test_its_scripts_are_nobody_on_the_platform(opened: Page, seed: dict) -> None:
    """Whatever runs in that page: it is not signed in, can't read the platform's pages, and can't send anything out."""
    assert opened.evaluate("origin") == "null"
    for address in (f"{seed['list']}", "/", "https://elsewhere.example/"):
        blocked = "(address) => fetch(address, { credentials: 'include' }).then(() => 'read', (error) => error.name)"
        assert opened.evaluate(blocked, address) == "TypeError", address
    same = opened.evaluate("fetch('data/environment', { credentials: 'include' }).then((r) => r.status, (e) => e.name)")
    assert same == "TypeError"  # credentials would be another's: what it may read, it reads without
    assert opened.evaluate("fetch('data/environment').then((answer) => answer.status)") == 200
    with pytest.raises(Error, match="sandboxed"):
        opened.evaluate("Object.getOwnPropertyDescriptor(Document.prototype, 'cookie').get.call(document)")
    framed = """(address) => new Promise((done) => {
      const frame = document.body.appendChild(document.createElement('iframe'));
      document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
      frame.src = address; })"""
    assert opened.evaluate(framed, seed["list"]) == "frame-src"
    posted = """(address) => new Promise((done) => {
      document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
      const form = Object.assign(document.createElement('form'), { method: 'post', action: address });
      document.body.append(form); form.submit(); setTimeout(() => done('nothing happened'), 500); })"""
    assert opened.evaluate(posted, f"{seed['list']}new/") in {"form-action", "nothing happened"}
    assert "/training/tensorboard/" in opened.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_around_it_are_accessible(
    open_page: Callable[..., Page], seed: dict, state: StorageState, scheme: str
) -> None:
    page = open_page(state=state, scheme=scheme)
    problems: list[tuple[str, str]] = []
    page.goto(f"{seed['list']}{seed['runs'][1]}/")
    expect(page.get_by_role("link", name="Open in TensorBoard")).to_be_visible()
    # The page that waits, held still.
    page.route("**/training/tensorboard/**", lambda route: held(route))
    page.goto(f"/o/boards/p/waiting-{scheme}/training/tensorboard/")
    expect(page.get_by_text("TensorBoard is starting")).to_be_visible()
    problems += problems_of(page)
    assert not problems, problems


def held(route: Route) -> None:
    """The answer without its order to ask again."""
    response = route.fetch()
    route.fulfill(
        response=response, headers={name: value for name, value in response.headers.items() if name != "refresh"}
    )
