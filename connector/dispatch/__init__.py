"""What leaves: who may be called, and how."""
