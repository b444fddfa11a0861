"""The pool, and picking from it."""
