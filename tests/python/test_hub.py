"""Model names through huggingface_hub, against a local server; each in a process of its own, since
huggingface_hub reads its environment when it is imported."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gptoss_gguf.convert.synthetic import write_synthetic_checkpoint

from .hub_server import HubServer, Repo

MIB = 1 << 20
BIG = bytes(range(256)) * (35 * MIB // 256)  # from 16 MiB on, downloads can be resumed
CUT = 15 * MIB  # the client writes 10 MiB at a time: of every 15 it keeps 10
SMALL = b"GGUF small"
CHECKPOINT = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model-00001-of-00002.safetensors": b"one",
    "model-00002-of-00002.safetensors": b"two",
    "original/model.safetensors": b"not wanted",
    "README.md": b"not wanted",
}
REPOS = {
    "ggml-org/gpt-oss-20b-GGUF": {"gpt-oss-20b-mxfp4.gguf": BIG, "README.md": b"x"},
    "ggml-org/gpt-oss-120b-GGUF": {
        f"gpt-oss-120b-mxfp4-0000{i}-of-00003.gguf": SMALL + b"%d" % i for i in (1, 2, 3)
    },
    "many/quants": {
        "m-Q4_K_M.gguf": b"q4km",
        "m-Q4_K_S.gguf": b"q4ks",
        "m-Q8_0.gguf": b"q8",
        "m-F16.gguf": b"f16",
        "big/m-BF16-00001-of-00002.gguf": b"b1",
        "big/m-BF16-00002-of-00002.gguf": b"b2",
        "m-UD-Q4_K_XL.gguf": b"ud",
    },
    "no/preferred": {"m-Q4_K_M.gguf": b"1", "m-Q5_K_M.gguf": b"2"},
    "lost/part": {"m-Q8_0-00001-of-00002.gguf": b"1"},
    "original/checkpoint": CHECKPOINT,
    "nothing/here": {"README.md": b"x"},
}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    repos = {name: Repo(dict(files)) for name, files in REPOS.items()}
    repos["secret/gated"] = Repo({"m.gguf": SMALL}, is_gated=True)
    repos["with/revisions"] = Repo({"m.gguf": SMALL}, revisions=("main", "v2"))
    with HubServer(repos) as server:
        yield server


class Client:
    """Runs `fetch` on a model name in a new process."""

    def __init__(self, hub: HubServer, home: Path) -> None:
        self.hub = hub
        self.home = home

    def run(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys\n"
            "from gptoss_gguf.errors import GptossError\n"
            "from gptoss_gguf.models.hub import fetch\n"
            "from gptoss_gguf.models.names import parse_name\n"
            "from gptoss_gguf.progress import Log\n"
            "try:\n"
            "    for path in fetch(parse_name(sys.argv[1]), Log()): print(path)\n"
            "except GptossError as error: sys.exit(f'error: {error}')\n"
        )
        settings = {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.home),
            "HF_HUB_ETAG_TIMEOUT": "5",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "NO_PROXY": "127.0.0.1",
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-c", code, name],
            env=kept | settings | env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def paths(self, name: str, **env: str) -> list[Path]:
        done = self.run(name, **env)
        assert done.returncode == 0, done.stderr
        return [Path(line) for line in done.stdout.splitlines()]

    def error(self, name: str, **env: str) -> str:
        """The error, which must be a single line."""
        done = self.run(name, **env)
        assert done.returncode == 1, done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.stderr
        assert done.stderr.endswith(lines[0] + "\n"), done.stderr  # nothing of it on a second line
        assert "Traceback" not in done.stderr
        return lines[0].removeprefix("error: ")


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def test_alias_downloads_once(client: Client) -> None:
    (path,) = client.paths("gpt-oss-20b")
    assert path.name == "gpt-oss-20b-mxfp4.gguf"
    assert path.read_bytes() == BIG
    assert client.paths("hf://ggml-org/gpt-oss-20b-GGUF/gpt-oss-20b-mxfp4.gguf") == [path]
    assert client.hub.ranges("mxfp4.gguf") == [None]


def test_split_files_come_in_order(client: Client) -> None:
    paths = client.paths("gpt-oss-120b")
    assert [p.read_bytes()[-1:] for p in paths] == [b"1", b"2", b"3"]
    assert len({p.parent for p in paths}) == 1


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("many/quants", [b"q8"]),
        ("many/quants:Q4_K_M", [b"q4km"]),
        ("many/quants:q4_k_s", [b"q4ks"]),
        ("many/quants:Q4_K_XL", [b"ud"]),
        ("many/quants:BF16", [b"b1", b"b2"]),
        ("many/quants/m-F16.gguf", [b"f16"]),
        ("many/quants/big/m-BF16-00001-of-00002.gguf", [b"b1", b"b2"]),
        ("gpt-oss-20b:mxfp4", [BIG]),
        ("hf://with/revisions@v2", [SMALL]),
        ("original/checkpoint", [b"{}", b"one", b"two", b"{}"]),
    ],
)
def test_choice(client: Client, name: str, contents: list[bytes]) -> None:
    assert [p.read_bytes() for p in client.paths(name)] == contents


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "many/quants:Q4_K",
            "many/quants:Q4_K: holds no GGUF file of this name; choose one of: many/quants:BF16, ",
        ),
        ("many/quants/none.gguf", "many/quants/none.gguf: holds no GGUF file of this name; choose one of: "),
        (
            "no/preferred",
            "no/preferred: 2 files fit; choose one of: no/preferred:Q4_K_M, no/preferred:Q5_K_M",
        ),
        ("lost/part", "lost/part: m-Q8_0.gguf has 2 parts, of which only 1 are there"),
        (
            "nothing/here",
            "nothing/here: the repository holds neither a GGUF file nor a safetensors checkpoint",
        ),
        ("no/such", "no/such: no such repository on http://127.0.0.1:"),
        ("hf://many/quants@v9", "many/quants@v9: the repository has no revision v9"),
        (
            "secret/gated",
            "secret/gated: access to the repository must be granted to you on http://127.0.0.1:",
        ),
    ],
)
def test_errors(client: Client, name: str, message: str) -> None:
    assert client.error(name).startswith(message)


def gptoss(client: Client, *args: str) -> subprocess.CompletedProcess[str]:
    """The command line, with its home in the test's folder."""
    settings = {
        "HF_ENDPOINT": client.hub.url,
        "HF_HOME": str(client.home),
        "GPTOSS_CACHE_DIR": str(client.home / "c"),
    }
    command = [sys.executable, "-m", "gptoss_gguf", *args]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=120)


def test_pull_prints_the_path_and_nothing_else(client: Client) -> None:
    done = gptoss(client, "pull", "many/quants:F16")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.removesuffix("\n")).read_bytes() == b"f16"
    missing = gptoss(client, "pull", "many/quants:Q2_K")
    assert missing.returncode == 1
    assert missing.stderr.startswith(
        "error: many/quants:Q2_K: holds no GGUF file of this name; choose one of: "
    )


def test_info_does_not_download(client: Client) -> None:
    done = gptoss(client, "info", "many/quants")
    assert done.returncode == 1
    assert done.stderr.endswith("`gptoss pull` downloads it\n")
    assert client.hub.requests == []


def test_original_checkpoint_is_downloaded_and_converted(client: Client, tmp_path: Path) -> None:
    write_synthetic_checkpoint(tmp_path / "source")
    files = {path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()}
    client.hub.repos["original/tiny"] = Repo(files)
    done = gptoss(client, "pull", "original/tiny")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.removesuffix("\n"))
    assert path.parent == client.home / "c" / "converted"
    assert path.read_bytes()[:4] == b"GGUF"
    assert "once into" in done.stderr
    assert gptoss(client, "pull", "original/tiny").stdout == done.stdout


def test_interrupted_download_resumes_in_another_process(client: Client) -> None:
    client.hub.cut_after = CUT  # the client goes on by itself after a pause, in which it is killed
    process = subprocess.Popen(
        [sys.executable, "-c", "from gptoss_gguf.models import resolve_model; resolve_model('gpt-oss-20b')"],
        env=os.environ | {"HF_ENDPOINT": client.hub.url, "HF_HOME": str(client.home)},
        stderr=subprocess.DEVNULL,
    )
    partial = None
    while partial is None or partial.stat().st_size < 10 * MIB:
        assert process.poll() is None, "ended by itself"
        partial = next(client.home.rglob("*.gptoss-partial"), None)
    process.kill()
    process.wait()
    n_present = partial.stat().st_size
    assert 10 * MIB <= n_present < len(BIG)
    client.hub.cut_after = None
    client.hub.requests.clear()
    (path,) = client.paths("gpt-oss-20b")
    assert path.read_bytes() == BIG
    assert client.hub.ranges("mxfp4.gguf") == [f"bytes={n_present}-"]
    assert not list(client.home.rglob("*.gptoss-partial"))


def test_flaky_connection(client: Client) -> None:
    client.hub.cut_after = CUT
    (path,) = client.paths("gpt-oss-20b")
    assert path.read_bytes() == BIG
    assert client.hub.ranges("mxfp4.gguf") == [None, *(f"bytes={n * MIB}-" for n in (10, 20))]


def test_damaged_resume_is_found(client: Client) -> None:
    repo = client.hub.repos["ggml-org/gpt-oss-20b-GGUF"]
    blobs = client.home / "hub" / "models--ggml-org--gpt-oss-20b-GGUF" / "blobs"
    blobs.mkdir(parents=True)
    partial = blobs / f"{repo.etag('gpt-oss-20b-mxfp4.gguf')}.gptoss-partial"
    partial.write_bytes(b"other bytes" * 1000)
    assert "was damaged while it was downloaded" in client.error("gpt-oss-20b")
    assert not partial.exists()
    assert client.paths("gpt-oss-20b")[0].read_bytes() == BIG


def test_offline_before_and_after(client: Client) -> None:
    error = client.error("many/quants:Q8_0", HF_HUB_OFFLINE="1")
    assert error.startswith("many/quants:Q8_0: not, or not completely, in the cache")
    assert error.endswith("HF_HUB_OFFLINE forbids to download it")
    assert client.hub.requests == []
    paths = client.paths("many/quants:Q8_0")
    client.hub.requests.clear()
    assert client.paths("many/quants:Q8_0", HF_HUB_OFFLINE="1") == paths
    assert "not completely" in client.error("many/quants:F16", HF_HUB_OFFLINE="1")
    assert client.hub.requests == []


def test_offline_wants_every_part(client: Client) -> None:
    paths = client.paths("gpt-oss-120b")
    paths[1].unlink()
    assert "not completely" in client.error("gpt-oss-120b", HF_HUB_OFFLINE="1")


def test_hub_down_uses_the_cache(client: Client) -> None:
    client.hub.status = 503
    assert "answered with status 503" in client.error("with/revisions")
    client.hub.status = None
    paths = client.paths("with/revisions")
    client.hub.status = 503
    done = client.run("with/revisions")
    assert done.stdout.split() == [str(p) for p in paths]
    assert "using the copy in the cache" in done.stderr
    assert client.paths("with/revisions", HF_ENDPOINT="http://127.0.0.1:9") == paths


def test_unreachable_hub(client: Client) -> None:
    error = client.error("many/quants", HF_ENDPOINT="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached (ConnectError" in error


def test_disk_too_small(client: Client) -> None:
    huge = "import shutil, collections; U = collections.namedtuple('U', 'total used free')"
    code = (
        f"{huge}; shutil.disk_usage = lambda _: U(10, 10, 10**6)\n"
        "from gptoss_gguf.models import resolve_model; resolve_model('gpt-oss-20b')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_ENDPOINT": client.hub.url, "HF_HOME": str(client.home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "the download needs 36.7 MB, but" in done.stderr
    assert client.hub.ranges("mxfp4.gguf") == []
