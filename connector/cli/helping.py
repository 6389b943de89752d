"""Help and complaints about a line, in the person's language: texts come from the message table, structure from the commands."""

from collections.abc import Iterable, Sequence
from typing import Any

from connector.cli.commands import COMMANDS, COMMON, SECTIONS, Command
from connector.cli.words import pad, say, width
from policies.sentences import has_sentence

INDENT = "  "


def overview(lang: str) -> str:
    """What `weft --help` prints: every command with its line, by section."""
    blocks = [say("help", lang), f"{say('heading.usage', lang)} weft {say('heading.usage-form', lang)}"]
    widest = max(width(name) for name in COMMANDS)
    for section, members in SECTIONS.items():
        rows = [(command.name, say(f"help.{command.key}", lang)) for command in members]
        blocks.append("\n".join([say(f"section.{section}", lang), *_rows(rows, widest)]))
    blocks += [_common(lang), say("exits", lang)]
    return "\n\n".join(blocks)


def group(members: Sequence[Command], lang: str) -> str:
    """What `weft audit` prints: the commands that begin with this word."""
    rows = [(command.name, say(f"help.{command.key}", lang)) for command in members]
    return "\n".join([say("heading.commands", lang), *_rows(rows)])


def details(command: Command, click: Any, lang: str) -> str:
    """What `weft find --help` prints."""
    arguments = [param for param in click.params if param.param_type_name == "argument"]
    options = [param for param in click.params if param.param_type_name == "option" and not param.hidden]
    form = " ".join(["weft", command.name, *(_shape(param) for param in arguments)])
    blocks = [
        say(f"help.{command.key}", lang),
        f"{say('heading.usage', lang)} {form} {say('heading.options-form', lang)}",
    ]
    if arguments:
        rows = [(_metavar(param), parameter_help(command, param.name, lang)) for param in arguments]
        blocks.append("\n".join([say("heading.arguments", lang), *_rows(rows)]))
    if options:
        rows = [(_flags(param), _option_help(command, param, lang)) for param in options]
        blocks.append("\n".join([say("heading.options", lang), *_rows(rows)]))
    blocks += [_common(lang), say("heading.prints", lang, prints=command.prints)]
    return "\n\n".join(blocks)


def parameter_help(command: Command, name: str, lang: str) -> str:
    """The text of one parameter: the command's own, else the one that commands share."""
    own = f"arg.{command.key}.{name}"
    return say(own if has_sentence(f"cli.{own}") else f"arg.{name}", lang)


def usage_problem(command: Command, error: Any, lang: str) -> str:
    """The sentence for a line that typer refuses, and where the right form is shown."""
    kind = type(error).__name__
    param = getattr(error, "param", None)
    name = _label(param) if param is not None else getattr(error, "option_name", None) or "-"
    if kind == "MissingParameter":
        problem = say("usage.missing", lang, name=name)
    elif kind == "NoSuchOption":
        near = getattr(error, "possibilities", None) or ()
        problem = say("usage.no-such-option", lang, option=name)
        if near:
            problem += say("usage.did-you-mean", lang, near=", ".join(near))
    elif kind == "BadOptionUsage":
        problem = say("usage.option-value", lang, option=name)
    elif kind == "BadParameter":
        choices = _choices(param)
        form = " | ".join(choices) if choices else _type(param)
        problem = say("usage.bad-value", lang, name=name, form=form)
    else:
        problem = say("usage.other", lang, problem=error.format_message())
    return problem + say("usage.see-help", lang, command=command.name)


def _common(lang: str) -> str:
    rows = [
        (", ".join(option.flags) + (f" {option.value}" if option.value else ""), say(f"common.{option.name}", lang))
        for option in COMMON
    ]
    return "\n".join([say("heading.common", lang), *_rows(rows)])


def _rows(rows: Iterable[tuple[str, str]], widest: int | None = None) -> list[str]:
    listed = list(rows)
    column = (widest or max(width(name) for name, _ in listed)) + 2
    return [f"{INDENT}{pad(name, column)}{text}" for name, text in listed]


def _option_help(command: Command, param: Any, lang: str) -> str:
    text = parameter_help(command, param.name, lang)
    choices = _choices(param)
    if choices:
        text += f" ({' | '.join(choices)})"
    default = param.default
    if default not in (None, False, True, ()) and not callable(default):
        text += say("heading.default", lang, value=getattr(default, "value", default))
    return text


def _flags(param: Any) -> str:
    flags = ", ".join([*param.opts, *param.secondary_opts])
    return flags if param.is_flag else f"{flags} {_metavar(param)}"


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name.rstrip("_").upper().replace("_", "-"))


def _shape(param: Any) -> str:
    shape = _metavar(param) if param.required else f"[{_metavar(param)}]"
    return f"{shape}..." if param.nargs != 1 else shape


def _label(param: Any) -> str:
    return param.opts[-1] if param.param_type_name == "option" else _metavar(param)


def _choices(param: Any) -> list[str]:
    descriptor = getattr(param, "type_descriptor", None)
    return [str(getattr(choice, "value", choice)) for choice in getattr(descriptor, "choices", None) or ()]


def _type(param: Any) -> str:
    descriptor = getattr(param, "type_descriptor", None)
    return str(getattr(getattr(descriptor, "annotation", None), "__name__", "-"))
