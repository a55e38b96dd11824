"""The command `gptoss`. Commands import what they need when they run: `gptoss --help` is immediate."""

import os
import signal
import sys
from types import FrameType


def _leave(number: int, _: FrameType | None) -> None:
    """Ends by exception, so that what was begun is cleaned up: the half-written file of a conversion."""
    sys.exit(128 + number)


def main() -> int:
    """Runs the command line. Exit status: 0; 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    import typer

    from gptoss_gguf.cli.app import app, options

    # What the hub's client logs on the way, a retry for instance, is no message to the user.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    # A program started with a closed stdout or stderr has None there.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    usage_error = typer.BadParameter.__bases__[0]  # typer exports no name for it
    try:
        status = app(prog_name="gptoss", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:
        if isinstance(error, usage_error):
            return _wrong_usage(error)
        if options.traceback:
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        return 1


def _wrong_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "gptoss"
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    print(f"error: {message} (`{command} --help` shows the usage)", file=sys.stderr)
    return 2


def _message(error: Exception) -> str:
    """The message of an expected error; the kind, too, of one that nobody expected."""
    from gptoss_gguf.convert import ConvertError
    from gptoss_gguf.errors import GptossError

    if isinstance(error, GptossError | ConvertError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (unexpected: `gptoss --traceback ...` shows where)"
