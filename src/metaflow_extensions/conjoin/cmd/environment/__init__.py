"""``metaflow environment``: environments outside of any flow. Thin: parse, call, print."""
