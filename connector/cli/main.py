"""The entry point: pick the language, find the command in the table, run it, turn every error into a sentence and an exit code.

Only the command that is called is imported; `weft --version` and `weft --help` import no command at all.
"""

import contextlib
import difflib
import gc
import os
import sys
import traceback
from collections.abc import Sequence

from connector.cli import commands, helping
from connector.cli.exits import Exit, UsageError, exit_for
from connector.cli.words import chosen_language, err, explain, out, say
from connector.version import version


def main(argv: Sequence[str] | None = None) -> int:
    """Run one line; returns its exit code."""
    if argv is None:  # a process of its own: until the command is imported (line.run) there is no garbage to look for
        gc.disable()
    words = list(sys.argv[1:] if argv is None else argv)
    lang = chosen_language(None)
    debug = "--debug" in words
    try:
        given, rest = common_options(words, lang)
        lang = chosen_language(given.get("lang"))
        return _run(given, rest, lang)
    except UsageError as error:
        err(error)
        return Exit.USAGE
    except KeyboardInterrupt:
        err(say("interrupted", lang))
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough: leave without a word, as every filter does.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # noqa: BLE001  the last line of defence: a person sees a sentence, never a trace
        if debug:
            traceback.print_exc()
        err(explain(error, lang))
        number = getattr(error, "error_id", "")
        if number:
            err(say("error-id", lang, id=number))
        return exit_for(error)


def common_options(words: Sequence[str], lang: str) -> tuple[dict[str, str], list[str]]:
    """The options that every command takes, wherever they stand before `--`, and the rest of the line."""
    flags = {flag: option for option in commands.COMMON for flag in option.flags}
    given: dict[str, str] = {}
    rest: list[str] = []
    line = iter(words)
    for word in line:
        if word == "--":
            rest += ["--", *line]
            break
        flag, equals, value = word.partition("=")
        option = flags.get(flag)
        if option is None:
            rest.append(word)
        elif not option.value:
            given[option.name] = "true"
        elif equals:
            given[option.name] = value
        else:
            following = next(line, None)
            if following is None:
                raise UsageError(say("usage.option-value", lang, option=flag))
            given[option.name] = following
    return given, rest


def _run(given: dict[str, str], rest: list[str], lang: str) -> int:
    if rest[:1] == ["--version"]:
        out(f"weft {version()}")
        return Exit.DONE
    if rest[:1] == ["help"]:
        rest, given["help"] = rest[1:], "true"
    if not rest:
        out(helping.overview(lang))
        return Exit.DONE
    command, length = commands.find(rest)
    if command is None:
        members = commands.group(rest[0])
        if members and (len(rest) == 1 or "help" in given):
            out(helping.group(members, lang))
            return Exit.DONE if "help" in given else Exit.USAGE
        raise UsageError(_no_such_command(rest, lang))
    from connector.cli import line  # noqa: PLC0415  `weft --version` and `weft --help` need none of what it imports

    if "help" in given:
        out(helping.details(command, line.build(command), lang))
        return Exit.DONE
    return line.run(command, rest[length:], given, lang)


def _no_such_command(words: Sequence[str], lang: str) -> str:
    typed = " ".join(words[:2]) if commands.group(words[0]) else words[0]
    near = difflib.get_close_matches(typed, commands.COMMANDS, n=1)
    return say("usage.no-such-command", lang, typed=typed, near=f"weft {near[0]}" if near else "weft --help")


if __name__ == "__main__":
    sys.exit(main())
