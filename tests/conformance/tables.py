"""The protocol as the kit knows it, written down apart from the product's own tables, so that an error there shows here."""

BECOMES = {
    "request": "REQUESTED",
    "counter-request": "REQUESTED",
    "offer": "OFFERED",
    "accepted": "ACCEPTED",
    "agreement": "AGREED",
    "verification": "VERIFIED",
    "finalized": "FINALIZED",
    "start": "STARTED",
    "start without dataAddress": "STARTED",
    "suspension": "SUSPENDED",
    "completion": "COMPLETED",
    "termination": "TERMINATED",
}
TAKEN_IN = {
    "counter-request": {"OFFERED"},
    "offer": {"REQUESTED"},
    "accepted": {"OFFERED"},
    "agreement": {"REQUESTED", "ACCEPTED"},
    "verification": {"AGREED"},
    "finalized": {"VERIFIED"},
    "start": {"REQUESTED", "SUSPENDED"},
    "suspension": {"STARTED"},
    "completion": {"STARTED"},
    "termination": {"REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "STARTED", "SUSPENDED"},
}
NEGOTIATION_PATHS = {
    "request": "/negotiations/request",
    "counter-request": "/negotiations/{pid}/request",
    "offer": "/negotiations/{pid}/offers",
    "agreement": "/negotiations/{pid}/agreement",
    "verification": "/negotiations/{pid}/agreement/verification",
    "accepted": "/negotiations/{pid}/events",
    "finalized": "/negotiations/{pid}/events",
    "termination": "/negotiations/{pid}/termination",
}
TRANSFER_PATHS = {
    "request": "/transfers/request",
    "start": "/transfers/{pid}/start",
    "start without dataAddress": "/transfers/{pid}/start",
    "suspension": "/transfers/{pid}/suspension",
    "completion": "/transfers/{pid}/completion",
    "termination": "/transfers/{pid}/termination",
}
SILENT_TERMINATION = {"CN:02-01", "CN:02-05", "CN:02-06", "CN:02-07"}
SILENT = {"accepted", "verification", "agreement", "finalized"}
TYPES: dict[bool, dict[str, str]] = {
    True: {
        "request": "ContractRequestMessage",
        "counter-request": "ContractRequestMessage",
        "offer": "ContractOfferMessage",
        "agreement": "ContractAgreementMessage",
        "verification": "ContractAgreementVerificationMessage",
        "accepted": "ContractNegotiationEventMessage",
        "finalized": "ContractNegotiationEventMessage",
        "termination": "ContractNegotiationTerminationMessage",
    },
    False: {
        "request": "TransferRequestMessage",
        "start": "TransferStartMessage",
        "suspension": "TransferSuspensionMessage",
        "completion": "TransferCompletionMessage",
        "termination": "TransferTerminationMessage",
    },
}
