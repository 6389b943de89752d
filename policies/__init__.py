"""Policies: what a document of rules means, decided without a clock, a socket or a database.

    document --parse--> Policy --compile--> Plan --evaluate(plan, request, state)--> Decision

Import from the module that owns the name (`policies.parse`, `policies.compile`, `policies.evaluate`, ...); importing the
package itself costs nothing. Everything looked up or measured (time, counters, regions, transforms) arrives in `State`, so
that any past decision can be replayed from the audit log and gives the same digest.
"""
