"""How fast Weft is, as ratios to what the same machine does without it; the README quotes the table this prints."""
