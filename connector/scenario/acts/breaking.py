"""A connector dies and comes back; a partner is cut off in the middle of a delivery."""

import time
from pathlib import Path

from connector.client import Client
from connector.client.errors import ClientError, DeliveryFailedError, TransferTerminatedError
from connector.scenario.acts.delivering import DELIVERY_S, slowed, underway
from connector.scenario.stage import Memory, Stage
from connector.scenario.steps import Kill, Revive, Stop

RECEIVED = "data/received"


async def kill(stage: Stage, step: Kill) -> None:
    """What it knew is remembered before, to be compared with what it knows afterwards."""
    await stage.quiet()
    stage.remembered[step.participant] = await _memory(stage, step.participant)
    daemon = stage.daemons[step.participant]
    await daemon.kill()
    stage.tell.line("down", name=stage.name(step.participant))
    stage.check("down", "killed", "running" if daemon.running else "killed", name=stage.name(step.participant))


async def revive(stage: Stage, step: Revive) -> None:
    """Nothing is lost: agreements, counts and the log are as before."""
    before = stage.remembered.pop(step.participant)
    await stage.daemons[step.participant].start(stage.settings(step.participant))
    stage.tell.line("back", name=stage.name(step.participant), port=stage.ports[step.participant][0])
    for name, transfer in stage.unanswered:
        await _taken_back(stage, name, transfer)
    stage.unanswered.clear()
    after = await _memory(stage, step.participant)
    kept = await stage.clients[step.participant].audit_record(before.newest.seq)
    lost = [
        what
        for what, same in (
            ("agreements", after.agreements == before.agreements),
            ("counts", after.counted == before.counted),
            ("log", kept.to_dict() == before.newest.to_dict()),
        )
        if not same
    ]
    stage.check(
        "revived",
        "nothing",
        ", ".join(lost) or "nothing",
        name=stage.name(step.participant),
        agreements=len(before.agreements),
        seq=before.newest.seq,
    )


async def _taken_back(stage: Stage, name: str, transfer: str) -> None:
    """The request that went unanswered is answered now; nobody waits for it any more."""
    asked = await stage.consumer(name).transfer_process(transfer)
    try:
        await (await asked.wait("STARTED", timeout_s=DELIVERY_S)).terminate(stage.tell.word("no-longer"))
        await asked.wait("TERMINATED", timeout_s=DELIVERY_S)
    except TransferTerminatedError:
        return


async def _memory(stage: Stage, participant: str) -> Memory:
    client = stage.clients[participant]
    agreements = await client.agreements().all(limit=1000)
    counted = sum(int(window["used"]) for each in agreements for window in each.remaining)
    newest = await client.audit().first()
    if newest is None:
        raise LookupError(participant)
    return Memory(tuple(sorted(each.digest for each in agreements)), counted, newest)


async def stop(stage: Stage, step: Stop) -> None:
    """A slow delivery is under way when its provider cuts the consumer off; nothing passes until it is allowed again."""
    package, wanted = stage.package, stage.package.refusals[step.refusal]
    agreement, provider = package.agreements[step.agreement], package.provider(step.agreement)
    ours, theirs = stage.consumer(step.agreement), stage.provider(step.agreement)
    await slowed(stage, provider, step.chunk_bytes, step.rate_bytes_s)
    before = _files(stage, agreement.consumer)
    transfer = await (await stage.agreements[step.agreement].transfer(purpose=agreement.purpose)).wait(
        "STARTED", timeout_s=DELIVERY_S
    )
    begun = await ours.deliver(transfer=transfer)
    await underway(begun, 2 * step.chunk_bytes)
    during = _files(stage, agreement.consumer) - before
    partner = package.participants[agreement.consumer].id

    asked = time.monotonic()
    await theirs.stop(partner, reason=stage.tell.text(step.because))
    got = "delivered"
    try:
        await begun.wait(timeout_s=DELIVERY_S)
    except DeliveryFailedError as error:
        got = error.peer_code
        stage.tell.quote([error.reason])
    seconds = time.monotonic() - asked
    stage.tell.line("cut", name=stage.name(provider), partner=stage.name(agreement.consumer))
    in_time = got == wanted.reason and seconds <= step.within_s
    expected = f"{wanted.reason}, ≤ {step.within_s} s"
    stage.check("cut", expected, f"{got}, {seconds:.1f} s", ok=in_time, agreement=step.agreement)
    await stage.quiet()
    sides = (ours, transfer.id), (theirs, str(transfer.extra["peer_pid"]))
    states = [str((await client.transfer_process(pid)).state) for client, pid in sides]
    logs = [await _logged(client, pid, wanted.reason) for client, pid in sides]
    stage.check("ended-transfer", "TERMINATED, TERMINATED; True, True", f"{', '.join(states)}; {', '.join(logs)}",
                agreement=step.agreement)  # fmt: skip
    left = _files(stage, agreement.consumer) - before
    stage.check("no-file", "1, then 0", f"{len(during)}, then {len(left)}", agreement=step.agreement)
    stage.check("later", wanted.reason, await _asked_again(stage, step), agreement=step.agreement)
    await theirs.resume(partner)
    stage.tell.line("allowed", name=stage.name(provider), partner=stage.name(agreement.consumer))


def _files(stage: Stage, participant: str) -> set[Path]:
    """The files that a connector has received, temporary ones among them."""
    return {path for path in (stage.folder(participant) / RECEIVED).rglob("*") if path.is_file()}


async def _logged(client: Client, transfer: str, reason: str) -> str:
    """Whether a log shows that the transfer ended for this reason."""
    records = await client.audit(about=transfer, type="transfer.terminated").all(limit=5)
    return str(any(each.reason == reason for each in records))


async def _asked_again(stage: Stage, step: Stop) -> str:
    purpose = stage.package.agreements[step.agreement].purpose
    try:
        transfer = await stage.agreements[step.agreement].transfer(purpose=purpose)
        await transfer.wait("STARTED", timeout_s=DELIVERY_S)
    except TransferTerminatedError as error:
        return error.peer_code
    except ClientError as error:
        return error.code
    return "started"
