"""llama.cpp and the files to compare on; everything is made once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama, require_folder


@pytest.fixture(scope="session")
def llama(pytestconfig: pytest.Config) -> Iterator[Llama]:
    with Llama(require_folder(pytestconfig)) as library:
        yield library


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> GoldenFiles:
    return GoldenFiles(tmp_path_factory.mktemp("golden-files"))
