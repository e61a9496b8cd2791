"""A lock and a store become a working prefix."""
