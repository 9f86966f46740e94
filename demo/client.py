"""The platform as the demo sees it: a browser's sign-up form first, the team API with a server key from then on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from demo.screen import CheckError

Json = dict[str, Any]


class Session:
    """A person in a browser: cookies, CSRF token, and the sign-up form."""

    def __init__(self, server: str) -> None:
        self._http = httpx.Client(base_url=server, timeout=30, follow_redirects=True, headers={"Referer": server})

    def sign_up(self, email: str, password: str) -> None:
        """Fill in the sign-up form. Raises CheckError with what the page says when it is refused."""
        self._http.get("/accounts/signup/").raise_for_status()
        form = {"email": email, "password1": password, "password2": password, "csrfmiddlewaretoken": self._csrf}
        self._http.post("/accounts/signup/", data=form).raise_for_status()
        if "sessionid" not in self._http.cookies:
            raise CheckError("The sign-up form did not sign the person in.")

    def post(self, path: str, body: Json) -> Json:
        return answer(self._http.post(path, json=body, headers={"X-CSRFToken": self._csrf}))

    @property
    def _csrf(self) -> str:
        return self._http.cookies["csrftoken"]


class Team:
    """A program of the team: the API of one project, with a server key."""

    def __init__(self, server: str, project: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=f"{server}/api/v1/projects/{project}/", headers=headers, timeout=60)

    def get(self, path: str, **query: Any) -> Json:
        return answer(self._http.get(path, params=query))

    def post(self, path: str, body: Json | None = None) -> Json:
        return answer(self._http.post(path, json=body or {}))

    def download(self, path: str) -> bytes:
        """Follow the signed link, without sending the key along to where it points."""
        link = self._http.get(path)
        if link.status_code != 302:
            answer(link)
        return httpx.get(link.headers["Location"], timeout=60).raise_for_status().content

    def upload(self, file: Path, purpose: str) -> str:
        """Ask for an upload, send the bytes to the signed URL, say done. Returns the upload's id."""
        content = file.read_bytes()
        asked = self.post(
            "uploads",
            {
                "purpose": purpose,
                "filename": file.name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            },
        )
        httpx.request(
            asked["method"], asked["url"], content=content, headers=asked["headers"], timeout=60
        ).raise_for_status()
        self.post(f"uploads/{asked['id']}/complete")
        return str(asked["id"])

    def wait_for_job(self, job: str, show: Callable[[float, str], None], *, limit_s: float = 600) -> Json:
        """Poll the job until it is over. Raises CheckError with its error unless it succeeded."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            row = self.get(f"jobs/{job}")
            show(row["progress"], row["progress_message"])
            if row["state"] == "succeeded":
                return row
            if row["state"] in {"failed", "cancelled"}:
                error = row["error"] or {"code": "none", "message": "no reason was given"}
                raise CheckError(f"The job “{row['title']}” {row['state']}: {error['code']}: {error['message']}")
            time.sleep(0.3)
        raise CheckError(f"The job {job} was not over after {limit_s:g} s.")


def answer(response: httpx.Response) -> Json:
    """The JSON body of a success. Raises CheckError with the API's own message otherwise."""
    if response.is_success:
        body: Json = response.json()
        return body
    try:
        error = response.json()["error"]
        said = f"{error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        said = response.text[:300]
    raise CheckError(f"{response.request.method} {response.request.url} answered {response.status_code}: {said}")
