"""The folder for what can be made again: GPTOSS_CACHE_DIR, or the platform's cache folder."""

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """The folder, which may not exist yet."""
    chosen = os.environ.get("GPTOSS_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gptoss"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gptoss"
