"""The toolkit of a store: what :mod:`holdfast.bootstrap` needs in a bare container."""
