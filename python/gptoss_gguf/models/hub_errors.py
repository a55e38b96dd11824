"""The many errors of the hub's client, as one line each."""

import errno

from huggingface_hub import constants, errors

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.names import HubModel

_TOKEN_HINT = "log in with `hf auth login` or set HF_TOKEN"


def is_unreachable(error: Exception) -> bool:
    """Whether there was no answer, or one that says that the hub itself is down."""
    status = _status(error)
    return is_network(error) if status is None else status >= 500


def explain(model: HubModel, error: Exception) -> ModelFileError:
    """The error to show: what is wrong with `model`, and what to do."""
    return ModelFileError(f"{model}: {_reason(model, error)}")


def _reason(model: HubModel, error: Exception) -> str:
    status = _status(error)
    if isinstance(error, errors.GatedRepoError):
        return f"access to the repository must be granted to you on {constants.ENDPOINT}; then {_TOKEN_HINT}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {model.revision or constants.DEFAULT_REVISION}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such repository on {constants.ENDPOINT} (if it is private, {_TOKEN_HINT})"
    if isinstance(error, errors.EntryNotFoundError):
        return "the repository lacks a file that it lists; try again"
    if isinstance(error, errors.HFValidationError):
        return f"not a name of a repository: {_first_line(error)}"
    if status in (401, 403):
        return f"{constants.ENDPOINT} refused access ({status}); {_TOKEN_HINT}"
    if status is not None:
        return f"{constants.ENDPOINT} answered with status {status}; try again later"
    if is_network(error):
        return f"{constants.ENDPOINT} cannot be reached ({type(error).__name__}: {_first_line(error)})"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {constants.HF_HUB_CACHE} is full (HF_HUB_CACHE sets the folder)"
    return f"{type(error).__name__}: {_first_line(error)}"


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def is_network(error: Exception) -> bool:
    """Whether the connection failed, as opposed to what was asked for."""
    # The base class of the client's own errors is that of its HTTP library, whichever version it uses.
    http_error = errors.HfHubHTTPError.__bases__[0]
    return isinstance(error, (http_error, ConnectionError, TimeoutError))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "").strip() or "no details"
