"""Native probe sender and receiver: numbered, stamped packets at a set rate, many flows."""
