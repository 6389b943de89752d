"""What happens to a table between its source and the gate: documents bound into the contract by their digest."""
