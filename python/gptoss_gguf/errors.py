"""The error types of the package; every message is one line that names the culprit and the fix."""

from gptoss_gguf._native import (
    GptossError,
    ModelFileError,
    OutOfMemoryError,
    QueueFullError,
    RequestError,
)

__all__ = ["GptossError", "ModelFileError", "OutOfMemoryError", "QueueFullError", "RequestError"]
