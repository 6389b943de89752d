"""The authority of a data space: who is a member, said with a signature."""
