"""A JupyterLab (or Notebook 7) server on loopback that shares nothing with the user's own."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0
DISABLED = (
    "@jupyterlab/fileeditor-extension:language-server",
    "@jupyterlab/lsp-extension",
    "@jupyterlab/notebook-extension:language-server",
    "@jupyterlab/apputils-extension:announcements",
    "@jupyterlab/extensionmanager-extension",
)
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # every output is in the page, in view or not
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JupyterServer:
    """A running server: ``"lab"`` or ``"notebook"``, where it is, its token, and the folder its notebooks are in."""

    app: str
    url: str
    token: str
    folder: Path
    _ending: dict[str, threading.Thread] = field(default_factory=dict, compare=False, repr=False)

    def request(self, method: str, path: str) -> Any:
        """Answer of the REST interface, e.g. ``request("GET", "api/kernels")``."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def shut_kernels_down(self) -> None:
        """Shut the kernels down, which takes seconds; `wait_for_kernels` waits for it."""
        for session in self.request("GET", "api/sessions"):
            path = f"api/sessions/{session['id']}"
            if path not in self._ending:
                self._ending[path] = threading.Thread(target=self.request, args=("DELETE", path))
                self._ending[path].start()

    def wait_for_kernels(self) -> None:
        """Wait until those that were shut down have ended."""
        for ending in self._ending.values():
            ending.join()

    def forget_settings(self) -> None:
        """Forget what a page has set, as its theme."""
        for kept in (self.folder.parent / "settings").iterdir():
            shutil.rmtree(kept)


@contextmanager
def jupyter_server(folder: Path, *, app: str = "lab", options: Sequence[str] = ()) -> Iterator[JupyterServer]:
    """Run ``jupyter lab`` (or ``notebook``), every directory of its own below ``folder``, with further ``options``."""
    environment = _environment(folder)
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", {"lab": "jupyterlab", "notebook": "notebook"}[app]]
    command += ["--no-browser", "--expose-app-in-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"]
    command += options
    log = folder / "server.log"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=notebooks) as process:
        try:
            url = _address(process, log)
            server = JupyterServer(app=app, url=url, token=token, folder=notebooks)
            yield server
            server.shut_kernels_down()
            server.wait_for_kernels()
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(folder: Path) -> dict[str, str]:
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    for name in places.values():
        (folder / name).mkdir(parents=True)
    lab = folder / "config" / "labconfig"
    lab.mkdir()
    (lab / "page_config.json").write_text(json.dumps({"disabledExtensions": dict.fromkeys(DISABLED, True)}))
    (lab / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    # A kernel is a program of the user's: it is told nothing of pytest, and matplotlib asks for no display.
    return kept | {name: str(folder / place) for name, place in places.items()} | {"PYTHONWARNINGS": "default"}


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """The address that the server says it listens on; what it writes goes on into a log file."""
    assert process.stderr is not None
    alarm = threading.Timer(START_LIMIT_S, process.kill)
    alarm.start()
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:[1-9]\d*/)", line):
                threading.Thread(target=_drain, args=(process.stderr, log, lines), daemon=True).start()
                return found[1]
    finally:
        alarm.cancel()
    raise RuntimeError(f"the Jupyter server ended before it listened:\n{''.join(lines)}")


def _drain(stream: Any, log: Path, lines: list[str]) -> None:
    with log.open("w") as file:
        file.writelines(lines)
        for line in stream:
            file.write(line)
            file.flush()
