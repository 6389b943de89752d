"""Proof of what was sent, received and decided: Merkle trees, manifests, receipts, audit records, checkpoints, exports."""
