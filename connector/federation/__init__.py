"""The catalogs of the other participants: crawled one by one, kept in one index, searched here."""
