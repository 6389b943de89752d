"""Names of terms: one normal form for the three spellings that arrive.

A term of ODRL comes as `odrl:read`, as `http://www.w3.org/ns/odrl/2/read` or bare as `read`. The normal form is the one we
write on the wire (policies.md 2.5): `odrl:read` for ODRL, the absolute IRI for everything else, because no prefix of ours is
declared there. Operators and the members of a policy are the exception: DSP writes them bare.
"""

ODRL = "http://www.w3.org/ns/odrl/2/"
WEFT = "https://w3id.org/weft/policy/v1#"
RS = "https://w3id.org/weft/revshare/v1#"
CC = "http://creativecommons.org/ns#"

WEFT_PROFILE = "https://w3id.org/weft/policy/v1"
RS_PROFILE = "https://w3id.org/weft/revshare/v1"

PREFIXES = {"odrl": ODRL, "weft": WEFT, "rs": RS, "cc": CC}


def full(name: str) -> str:
    """The absolute IRI of a prefixed name; anything else unchanged."""
    prefix, colon, local = name.partition(":")
    namespace = PREFIXES.get(prefix) if colon else None
    return namespace + local if namespace else name


def normal(name: str) -> str:
    """The normal form: `odrl:x` for a term of ODRL, an absolute IRI for any other prefix we know; a bare name unchanged."""
    iri = full(name)
    return "odrl:" + iri.removeprefix(ODRL) if iri.startswith(ODRL) else iri


def bare(name: str) -> str:
    """A term of ODRL without prefix, as DSP writes operators and members; the normal form of anything else."""
    return normal(name).removeprefix("odrl:")


def short(name: str) -> str:
    """The form people read: `odrl:purpose`, `weft:columns`, `rs:settle`."""
    iri = full(name)
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return name


def local(name: str) -> str:
    """The last part of a known name (`purpose`, `columns`), for looking up its sentence; an unknown name unchanged."""
    known = short(name)
    prefix, colon, rest = known.partition(":")
    return rest if colon and prefix in PREFIXES else name
