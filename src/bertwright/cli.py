"""The command line: argv → settings → the function of `api` that bears the verb's name → an exit code.

Turns every error into one line. Knows nothing of what a verb does or of its flags (`flags.py`). Imports late:
`bertwright --help` needs no pydantic, `bertwright VERB --help` no torch.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bertwright.errors import BertwrightError, UsageError

if TYPE_CHECKING:
    from bertwright.settings import Settings


class Verb(NamedTuple):
    """A verb's line in the overview, and the name of its settings class."""

    summary: str
    settings: str


VERBS = {
    "vocab": Verb("Learn a WordPiece vocabulary from raw text.", "VocabSettings"),
    "prepare": Verb("Turn raw text into the token shards that pre-training reads.", "PrepareSettings"),
    "inspect": Verb("Show and measure what pre-training will read of a shard folder.", "InspectSettings"),
    "pretrain": Verb("Pre-train a BERT on a shard folder and write a model folder.", "PretrainSettings"),
    "doctor": Verb("Look for what is wrong with labelled files before fine-tuning.", "DoctorSettings"),
    "finetune": Verb("Fine-tune a BERT on a labelled file and write a model folder.", "FinetuneSettings"),
    "tune": Verb("Search for the best settings of a fine-tuning, and make their model.", "TuneSettings"),
    "glue": Verb("Fine-tune on the tasks of GLUE with several seeds.", "GlueSettings"),
    "clue": Verb("Fine-tune on tasks of CLUE (Chinese) with several seeds.", "ClueSettings"),
    "squad": Verb("Fine-tune on SQuAD 1.1 and 2.0 with several seeds.", "SquadSettings"),
    "evaluate": Verb("Measure a fine-tuned model on a labelled file.", "EvaluateSettings"),
    "report": Verb("Make the report of a run anew, from its own files alone.", "ReportSettings"),
    "predict": Verb("Label the texts of a file or of stdin, or fill their [MASK]s.", "PredictSettings"),
    "demo": Verb("Pre-train and fine-tune a small BERT on text that ships with Python.", "DemoSettings"),
}
INIT = "Print a commented settings file for a verb, or tune's search space."
SPACE = "space"
HELP = frozenset({"-h", "--help"})
_INTERRUPTED = "stopped by SIGINT: the same command goes on from what is saved, or begins anew where nothing is"
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the number of SIGINT and SIGPIPE, as shells count


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 the run failed, 2 the command was wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = _run([word for word in words if word != "--debug"])
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader (`| head`) has gone. Point stdout elsewhere, or Python complains when it closes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = PIPE_CLOSED
        except (Exception, KeyboardInterrupt) as error:
            code = _report(error, debug=debug)
    return code


def _run(words: list[str]) -> int:
    match words:
        case []:
            sys.stderr.write(_overview())
            return 2
        case ["-h" | "--help", *_]:
            sys.stdout.write(_overview())
        case ["--version", *_]:
            from bertwright import __version__  # lazy there, too

            sys.stdout.write(f"bertwright {__version__}\n")
        case ["init", *rest]:
            sys.stdout.write(_init(rest))
        case [verb, *rest] if verb in VERBS:
            return _run_verb(verb, rest)
        case [word, *_]:
            from bertwright.flags import unknown  # loads pydantic

            raise unknown("verb", word, {verb: verb for verb in [*VERBS, "init"]}, "bertwright --help")
    return 0


def _overview() -> str:
    summaries = {verb: summary for verb, (summary, _) in VERBS.items()} | {"init": INIT}
    verbs = "\n".join(f"  {verb:<9} {summary}" for verb, summary in summaries.items())
    return (
        "usage: bertwright VERB [--flag VALUE ...]\n\n"
        "Make BERT encoders: pre-train, fine-tune, evaluate and predict, on a laptop CPU or a GPU.\n\n"
        f"Verbs:\n{verbs}\n\n"
        "bertwright VERB --help explains a verb's flags; bertwright --version prints the version.\n"
    )


def _init(words: list[str]) -> str:
    if HELP.intersection(words):
        return f"usage: bertwright init VERB > settings.yaml\n\n{INIT} VERB is one of {', '.join([*VERBS, SPACE])}.\n"
    match words:
        case [verb] if verb in VERBS:
            return _settings_class(verb).template()
        case [word] if word == SPACE:
            from bertwright.settings.search_space import DEFAULT  # loads pydantic

            return DEFAULT
    raise UsageError(f"init takes one of {', '.join([*VERBS, SPACE])}, as in: bertwright init finetune > settings.yaml")


def _run_verb(verb: str, words: list[str]) -> int:
    from bertwright import flags  # loads pydantic

    cls = _settings_class(verb)
    if HELP.intersection(words):
        sys.stdout.write(flags.make_parser(cls).format_help())
        return 0
    values = flags.parse(cls, words)
    config = values.pop("config", None)
    try:
        settings = cls.create(values) if config is None else cls.from_file(Path(config), values)

        from bertwright import api  # loads torch, which a wrong command need not wait for

        result = getattr(api, verb)(settings)
    except UsageError as error:
        raise UsageError(flags.by_flags(str(error), cls)) from error
    return int(getattr(result, "exit_code", 0))


def _settings_class(verb: str) -> "type[Settings]":
    from bertwright import settings  # loads pydantic

    cls: type[Settings] = getattr(settings, VERBS[verb].settings)
    return cls


def _report(error: BaseException, *, debug: bool) -> int:
    """Print one line for whatever went wrong; returns the exit code."""
    if debug:
        traceback.print_exception(error)
    match error:
        case BertwrightError():
            text, code = str(error), error.exit_code
        case KeyboardInterrupt():
            sys.stderr.write(f"{_escaped(str(error) or _INTERRUPTED)}\n")
            return INTERRUPTED
        case _:
            first_line = next(iter(str(error).splitlines()), "")
            advice = "" if debug else " (run again with --debug for the traceback)"
            text, code = f"{type(error).__name__}: {first_line}{advice}", 1
    sys.stderr.write(f"error: {_escaped(text)}\n")
    return code


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"warning: {_escaped(str(message))}\n")


def _escaped(text: str) -> str:
    """One printable line: a file name or a text out of a data file must not drive the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
