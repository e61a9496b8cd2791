"""The search: what exists as records for the solver, asked round by round."""
