"""The entry point of the command `lake`: read the words, run the command, print its answer."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from lakehouse.cli.commands import COMMANDS, PASSING
from lakehouse.cli.parser import build_parser
from lakehouse.errors import LakehouseError

TRACEBACK_VARIABLE = "LAKEHOUSE_TRACEBACK"
_ERROR, _USAGE, _BUG, _INTERRUPTED, _BROKEN_PIPE = 1, 2, 70, 130, 141


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: what follows `lake`; None takes the command line of the process.

    Returns:
        The exit code: 0 done; 1 an error of ours, or something that is not as it should be; 2 wrong usage;
        70 a bug; 130 interrupted; 141 the reader of the output went away.
    """
    _speak_any_encoding()
    given = list(sys.argv[1:] if words is None else words)
    try:
        code = _run(given)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse: after --help and --version, or wrong usage
        return stop.code if isinstance(stop.code, int) else _USAGE
    except BrokenPipeError:
        _close_output()
        return _BROKEN_PIPE
    except KeyboardInterrupt as stop:
        _say(str(stop) or "Interrupted.", None)
        return _INTERRUPTED
    except LakehouseError as error:
        _explain(given, error, error.message, error.hint)
        return _ERROR
    except Exception as error:
        hint = f"This is a bug. Please report it with the output of --traceback ({TRACEBACK_VARIABLE}=1)."
        _explain(given, error, f"{type(error).__name__}: {error}", hint)
        return _BUG
    return code


def _run(given: list[str]) -> int:
    options = parse(given)
    reply = options.run(options)
    # Imported late, so that help needs neither it nor what it imports.
    from lakehouse.cli.render import print_reply

    print_reply(reply, as_json="json" in options)
    return int(reply.exit_code)


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Read the words of a command line; none at all ask for help.

    Words that follow options are part of a command's last list too, which argparse alone refuses
    (`lake query vwap --json symbol=IBM`). Commands that start another program pass on what follows `--`.

    Raises:
        SystemExit: after --help, or with 2 for wrong usage.
    """
    parser = build_parser(COMMANDS)
    words = list(given) or ["--help"]
    cut = words.index("--") if PASSING.intersection(words) and "--" in words else len(words)
    options, extra = parser.parse_known_args(words[:cut])
    passing, trailing = getattr(options, "passing", None), getattr(options, "trailing", None)
    if passing:
        options.passed = [*(extra if passing == "unknown options too" else ()), *words[cut + 1 :]]
        extra = [] if passing == "unknown options too" else extra
    else:
        extra = [*extra, *words[cut + 1 :]]
    if trailing and not any(word.startswith("-") for word in extra):
        setattr(options, trailing, [*getattr(options, trailing), *extra])
    elif extra:
        parser.error(f"unrecognized arguments: {' '.join(extra)}")
    return options


def _explain(given: Sequence[str], error: BaseException, message: str, hint: str | None) -> None:
    if "--traceback" in given or os.environ.get(TRACEBACK_VARIABLE):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
        return
    _say(message, hint)


def _say(message: str, hint: str | None) -> None:
    print(f"lake: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _speak_any_encoding() -> None:
    """Let an output that can not hold a letter, such as one in code page 1252, hold its escape instead."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "").lower()
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _close_output() -> None:
    """Point standard output nowhere, so that Python's flush at exit does not meet the broken pipe again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
