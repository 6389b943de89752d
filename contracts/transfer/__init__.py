"""The transfer process protocol: order (table), shape (messages), state (model), meaning (rules)."""
