"""The toolkit of a store: what :mod:`conjoin.bootstrap` needs in a bare container."""
