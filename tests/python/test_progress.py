"""Sizes are readable, and logs get a line now and then."""

import pytest
from gptoss_gguf import progress


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (999_999, "1 MB"),
        (12.85e9, "12.8 GB"),
        (999.6e9, "1,000 GB"),
        (1.2e12, "1,200 GB"),
    ],
)
def test_size_text(n_bytes: float, text: str) -> None:
    assert progress.size_text(n_bytes) == text


def test_log_is_sparse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress.Log().task("downloading x", 10_000_000_000) as update:
        for second in range(25):
            now[0] += 1
            update(second * 100_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "downloading x: 900 MB of 10 GB, 90 MB/s, 101 s left",
        "downloading x: 1.9 GB of 10 GB, 95 MB/s, 85 s left",
    ]


def test_reporter_fits_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress.reporter(quiet=True), progress.Quiet)
    assert isinstance(progress.reporter(), progress.Log)  # pytest captures stderr
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(progress.reporter(), progress.Live)
