"""The command line `weft`: a thin user of `connector.client`, plus what needs no running daemon."""
