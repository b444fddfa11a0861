"""The gate before every request: rate, breaker and slot in one decision."""
