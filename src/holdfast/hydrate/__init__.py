"""A lock and a store become a working prefix; what is done with prefixes."""
