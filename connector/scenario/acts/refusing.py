"""What the contract does not allow: each refusal with its reason, its sentence, and nothing counted."""

from collections.abc import Mapping
from typing import Any

from connector.client import AuditRecord, Client
from connector.client.errors import DeliveryFailedError, TransferTerminatedError
from connector.scenario.acts.delivering import DELIVERY_S, sha256_of
from connector.scenario.package import Refusal
from connector.scenario.stage import Stage
from connector.scenario.steps import Columns, Foresee, Refuse, Suspend
from policies.identifiers import short

DENIED = "policy.decision"


async def refuse(stage: Stage, step: Refuse) -> None:
    """A transfer request that the provider's policy denies."""
    wanted = stage.package.refusals[step.refusal]
    agreement, provider = stage.agreements[step.agreement], stage.package.provider(step.agreement)
    if step.restart:
        daemon = stage.daemons[provider]
        stage.check("stopped", 0, await daemon.stop(), name=stage.name(provider))
        await daemon.start(stage.settings(provider))
    transfer = await agreement.transfer(purpose=step.purpose)
    got = "started"
    try:
        await transfer.wait("STARTED", timeout_s=DELIVERY_S)
    except TransferTerminatedError as error:
        got = error.peer_code
        stage.tell.quote([error.reason])
    decision = await _denied(stage.provider(step.agreement), agreement.digest)
    purpose = step.purpose or stage.tell.word("no-purpose")
    found = _found(got, decision, await stage.used(step.agreement))
    stage.check("refused", _because(wanted, step.used), found, agreement=step.agreement, purpose=purpose)


async def columns(stage: Stage, step: Columns) -> None:
    """A pull of columns that are not granted: the gate says no, by token and all."""
    wanted = stage.package.refusals[step.refusal]
    agreement, client = stage.agreements[step.agreement], stage.consumer(step.agreement)
    purpose = stage.package.agreements[step.agreement].purpose
    transfer = await (await agreement.transfer(purpose=purpose)).wait("STARTED", timeout_s=DELIVERY_S)
    got = "delivered"
    try:
        delivery = await client.deliver(transfer=transfer, columns=step.columns)
        await delivery.wait(timeout_s=DELIVERY_S)
    except DeliveryFailedError as error:
        got = error.peer_code
        stage.tell.quote([error.reason])
    decision = await _denied(stage.provider(step.agreement), agreement.digest)
    names = ", ".join(step.columns)
    found = _found(got, decision, await stage.used(step.agreement))
    stage.check("columns", _because(wanted, step.used), found, agreement=step.agreement, columns=names)


async def suspend(stage: Stage, step: Suspend) -> None:
    """The provider pauses the transfer: what was a good token a moment ago opens nothing, until the transfer is resumed."""
    wanted, package = stage.package.refusals[step.refusal], stage.package.agreements[step.agreement]
    provider = stage.package.provider(step.agreement)
    shape = package.choice or package.delivery
    asked = package.choice.asked if package.choice is not None else None
    agreement = stage.agreements[step.agreement]
    ours = await (await agreement.transfer(purpose=package.purpose)).wait("STARTED", timeout_s=DELIVERY_S)
    theirs = await stage.provider(step.agreement).transfer_process(str(ours.extra["peer_pid"]))
    paused = await theirs.suspend(stage.tell.text(step.because))
    await ours.wait("SUSPENDED", timeout_s=DELIVERY_S)
    stage.tell.line("suspended", name=stage.name(provider), reason=stage.tell.text(step.because))

    got = "delivered"
    try:
        delivery = await stage.consumer(step.agreement).deliver(transfer=ours, columns=asked)
        await delivery.wait(timeout_s=DELIVERY_S)
    except DeliveryFailedError as error:
        got = error.peer_code
        stage.tell.quote([error.reason])
    stage.check("suspended", wanted.reason, got, agreement=step.agreement)
    status, reason = await _replayed(stage, provider, theirs.id)
    stage.check("replayed", f"{wanted.http} {wanted.reason}", f"{status} {reason}")

    await paused.resume()
    await ours.wait("STARTED", timeout_s=DELIVERY_S)
    stage.tell.line("resumed", name=stage.name(provider))
    delivery = await stage.consumer(step.agreement).deliver(transfer=ours, columns=asked)
    done = await delivery.wait(timeout_s=DELIVERY_S)
    target = await done.save(stage.received(step.agreement, "-resumed"))
    stage.tell.line("received", agreement=step.agreement, rows=done.rows, bytes=done.size, path=stage.shown(target))
    header = target.read_text(encoding="utf-8").splitlines()[0]
    stage.check("resumed", f"{shape.rows} × {','.join(shape.columns)}", f"{done.rows} × {header}")
    stage.check("sha256", shape.sha256, sha256_of(target), agreement=step.agreement, file=target.name)
    stage.check("used", step.used, await stage.used(step.agreement), agreement=step.agreement)


async def _replayed(stage: Stage, provider: str, transfer: str) -> tuple[int, str]:
    """Status and reason for a pull with the consumer's own token, as it was seen on the wire while it was good."""
    tap = stage.taps[provider]
    seen = tap.requests("GET", f"/data/{transfer}")[-1]
    async with stage.http.get(
        f"{tap.address}/data/{transfer}", headers={"Authorization": seen.headers["authorization"]}
    ) as answer:
        said = await answer.json(content_type=None)
        return answer.status, str(said.get("reason"))


async def foresee(stage: Stage, step: Foresee) -> None:
    """The provider asks its gate what it would say at that instant; nothing is counted."""
    agreement, package = stage.agreements[step.agreement], stage.package.agreements[step.agreement]
    wanted = stage.package.refusals[step.refusal] if step.refusal else None
    before = await stage.used(step.agreement)
    found = await stage.provider(step.agreement).test_policy(
        agreement=agreement.digest, purpose=package.purpose, at=step.at
    )
    stage.tell.quote([stage.tell.text(found.sentence)] if found.sentence else [])
    counted = await stage.used(step.agreement)
    expected = (
        f"deny, {_because(wanted, before)}" if wanted else f"{'allow' if step.allowed else 'deny'}, {before} counted"
    )
    denied = f"deny, {_cause(found.reason, found.left_operand)}, {counted} counted"
    got = f"allow, {counted} counted" if found.allowed else denied
    stage.check("foreseen", expected, got, agreement=step.agreement, at=step.at.isoformat())


async def _denied(provider: Client, agreement: str) -> AuditRecord | None:
    """The provider's last denial under an agreement, from its log."""
    for record in await provider.audit(type=DENIED).all(limit=20):
        if record.agreement == agreement and record.decision != "allow":
            return record
    return None


def _because(wanted: Refusal, used: int) -> str:
    """The expected reason and constraint, and how many deliveries are counted afterwards."""
    return f"{_cause(wanted.reason, wanted.left_operand)}, {used} counted"


def _found(got: str, record: AuditRecord | None, used: int) -> str:
    """What the consumer heard, with the constraint that the provider recorded; both reasons when the two differ."""
    decision: Mapping[str, Any] = record.details.get("decision", {}) if record is not None else {}
    reason = got if record is None or record.reason == got else f"{got}/{record.reason}"
    return f"{_cause(reason, decision.get('leftOperand'))}, {used} counted"


def _cause(reason: str | None, operand: str | None) -> str:
    return f"{reason} ({short(operand)})" if operand else str(reason)
