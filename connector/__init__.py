"""The daemon of one participant: everything that touches the outside world."""
