"""The data plane: tables and their transforms, the gate that every byte passes, deliveries sent and received."""
