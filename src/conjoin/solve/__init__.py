"""Requirements and what exists become a decision, or an explanation why there is none."""
