"""What the dialects have in common: routing, signatures, allowances, batches, listen keys, subscriptions."""
