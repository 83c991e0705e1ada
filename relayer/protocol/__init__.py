"""What the protocol says, in pure code: identifiers, messages, batches and the states of a delivery."""
