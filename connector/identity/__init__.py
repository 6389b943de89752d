"""Who is speaking: keys, tokens, and the signed list of members."""
