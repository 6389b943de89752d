"""The contract negotiation protocol: order (table), shape (messages), state (model), meaning (rules)."""
