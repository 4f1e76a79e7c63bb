"""In a real browser, no script of a prompt runs and the page asks the network for nothing."""

from __future__ import annotations

import shutil
import socketserver
import subprocess
import threading
from pathlib import Path

import pytest
from report_tables import HOSTILE_PROMPTS, TRAP, small_run

from clustering.report import ReportSettings, render

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def html() -> str:
    return render(small_run(), settings=ReportSettings(n_examples=len(HOSTILE_PROMPTS), n_fillers=99))


class _Proxy(socketserver.ThreadingTCPServer):
    """Notes the first line of whatever is asked of it and answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Ask)


class _Ask(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(2_000).decode("latin-1")
        assert isinstance(self.server, _Proxy)
        self.server.asked.append(line)


def _browse(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The page's DOM after its scripts ran, and what was asked of the network for it."""
    assert CHROMIUM is not None, "install chromium, or deselect the tests marked browser"
    with _Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={profile}",
                f"--proxy-server=http://127.0.0.1:{proxy.server_address[1]}",
                "--virtual-time-budget=6000",
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        proxy.shutdown()
    return done.stdout, [line for line in proxy.asked if "trap.invalid" in line]


def test_no_script_of_a_prompt_runs_and_nothing_is_fetched(html: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html, encoding="utf-8")
    dom, asked = _browse(page, tmp_path / "profile")
    assert "<title>Prompt families" in dom
    assert 'data-state="drawn"' in dom  # the map's own scripts did run
    assert not asked


def test_the_browser_check_sees_a_page_that_does_not_escape(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<title>calm</title>" + HOSTILE_PROMPTS[0] + HOSTILE_PROMPTS[1], encoding="utf-8")
    dom, asked = _browse(page, tmp_path / "profile")
    assert "<title>ran</title>" in dom
    assert any(TRAP in line for line in asked)


def test_the_policy_stops_a_script_even_where_escaping_fails(html: str, tmp_path: Path) -> None:
    page = tmp_path / "injected.html"
    page.write_text(html.replace("</main>", "".join(HOSTILE_PROMPTS[:2]) + "</main>", 1), encoding="utf-8")
    dom, asked = _browse(page, tmp_path / "profile")
    assert "<title>Prompt families" in dom
    assert not asked
