"""Steps that are sent elsewhere: what the launcher sends ahead, and what a bare container runs first."""
