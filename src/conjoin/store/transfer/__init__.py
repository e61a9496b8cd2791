"""Locks and packages into stores and out of them."""
