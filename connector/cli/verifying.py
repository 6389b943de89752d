"""`weft audit verify FILE…`: no database, no network, no trust in whoever exported the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument

from connector.cli.exits import Exit, UsageError
from connector.cli.shell import Shell
from connector.cli.words import out
from connector.identity.jwk import read_space_key
from connector.identity.keys import verify_ed25519
from connector.identity.members import MemberList, build_member_list
from contracts.errors import CheckpointError
from contracts.evidence.checkpoint import parse_key
from contracts.evidence.findings import Divergence, Fault, LogReport, compare
from contracts.evidence.pack import LINE_LIMIT_BYTES, verify_export
from contracts.signing import verify_document
from policies.canonical import parse_json
from policies.errors import JsonError
from policies.sentences import sentence


@dataclass(frozen=True, slots=True)
class Verified:
    """One file: what it proves, and whose word for the log's key was taken (`file`, `members`, `signed-members`)."""

    file: str
    report: LogReport
    relied: str
    strangers: bool = False

    @property
    def ok(self) -> bool:
        return self.report.ok and not self.strangers


def verify(
    ctx: typer.Context,
    files: Annotated[list[str], Argument()],
    members: str | None = None,
    space_key: str | None = None,
) -> int:
    """Check exported logs, and several of them against each other."""
    shell: Shell = ctx.obj
    if space_key and not members:
        raise UsageError(shell.word("usage.space-key-alone"))
    listed = _members(shell, members, space_key) if members else None
    relied = "file" if listed is None else "signed-members" if space_key else "members"
    found = [_verified(shell, file, listed, relied) for file in files]
    divergences = compare([each.report for each in found])
    valid = all(each.ok for each in found) and not divergences
    if shell.machine:
        shell.list_([_row(each, divergences, shell.lang) for each in found], ())
        return Exit.DONE if valid else Exit.VERIFICATION
    for each in found:
        _print(shell, each)
    for divergence in divergences:
        out(_diverged(divergence, shell.lang))
    if len(found) > 1 and not divergences:
        out(shell.word("logs-agree", number=len(found)))
    return Exit.DONE if valid else Exit.VERIFICATION


def _verified(shell: Shell, file: str, listed: MemberList | None, relied: str) -> Verified:
    """One file, read line by line: its size does not matter."""
    try:
        with Path(file).open("rb") as stream:
            header = _header(stream.readline(LINE_LIMIT_BYTES))
            stream.seek(0)
            if listed is None:
                return Verified(file, verify_export(stream, verify=verify_ed25519), relied)
            key = _listed_key(listed, header)
            report = verify_export(stream, verify=verify_ed25519, key=key)
            return Verified(file, report, relied, strangers=key is None)
    except OSError as error:
        raise UsageError(shell.word("not-readable", path=file, cause=error.strerror or str(error))) from error


def _header(line: bytes) -> Mapping[str, Any]:
    try:
        found = parse_json(line, max_depth=4)
    except JsonError:
        return {}
    return found if isinstance(found, dict) else {}


def _listed_key(listed: MemberList, header: Mapping[str, Any]) -> bytes | None:
    """The audit key that the list names for the log's participant: the one in the file if it is listed, else the newest."""
    keys = [
        (each.key.valid_from, each.key.public)
        for each in listed.keys.values()
        if each.participant == header.get("participant") and each.key.use == "audit"
    ]
    publics = [public for _, public in sorted(keys, key=lambda pair: pair[0]) if isinstance(public, bytes)]
    try:
        stated = parse_key(str(header.get("vkey", ""))).public
    except CheckpointError:
        stated = b""
    return stated if stated in publics else publics[-1] if publics else None


def _members(shell: Shell, path: str, space_key: str | None) -> MemberList:
    """The member list in a file. An expired one still says whose keys they were; without a key its signature is not judged."""
    signed = shell.read_json(path)
    if not isinstance(signed, dict) or not isinstance(signed.get("document"), dict):
        raise UsageError(shell.word("not-an-object", path=path))
    if space_key is None:
        return build_member_list(signed["document"])
    public = read_space_key(space_key)
    return build_member_list(
        verify_document(signed, verify=lambda _kid, message, made: verify_ed25519(public, message, made))
    )


def _row(found: Verified, divergences: Sequence[Divergence], lang: str) -> dict[str, Any]:
    report = found.report
    problems = [_fault(each, lang) for each in report.faults]
    if found.strangers:
        problems.append(sentence("cli.log-unlisted", lang, participant=report.participant or "-"))
    problems += [_diverged(each, lang) for each in divergences if each.participant == report.participant]
    return {
        "file": found.file,
        "participant": report.participant,
        "key": report.vkey,
        "relied_on": found.relied,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "root": report.root,
        "valid": not problems,
        "faults": report.fault_count,
        "problems": problems,
    }


def _print(shell: Shell, found: Verified) -> None:
    report = found.report
    shell.show(
        {},
        [
            ("file", found.file),
            ("participant", report.participant),
            ("key", report.vkey),
            ("relied_on", shell.word(f"relied.{found.relied}")),
            ("records", shell.word("log-size", entries=report.entries, checkpoints=report.checkpoints)),
            ("root", report.root),
            ("details", shell.word("log-details", detailed=report.detailed, erased=report.erased)),
        ],
    )
    for fault in report.faults:
        out(_fault(fault, shell.lang))
    if report.fault_count > len(report.faults):
        out(shell.word("more-faults", number=report.fault_count - len(report.faults)))
    for step in report.time_steps:
        out(sentence("audit.time-step", shell.lang, seq=step.seq, before=step.before, after=step.after))
    if found.strangers:
        out(shell.word("log-unlisted", participant=report.participant or "-"))
    out(shell.word("log-valid" if found.ok else "log-invalid", file=found.file))


def _fault(fault: Fault, lang: str) -> str:
    return sentence(
        f"audit.{fault.problem.value}",
        lang,
        line=fault.line,
        seq=fault.seq,
        expected=fault.expected,
        found=fault.found,
    )


def _diverged(each: Divergence, lang: str) -> str:
    return sentence("audit.divergence", lang, participant=each.participant, peer=each.peer, ref=each.ref, seq=each.seq)
