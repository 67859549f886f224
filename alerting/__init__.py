"""From findings to people: alert chains, notices, the ledger of both, and the channels that carry them."""
