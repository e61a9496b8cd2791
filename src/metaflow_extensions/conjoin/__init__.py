"""Room for the Metaflow glue: decorators, environments and commands that call :mod:`conjoin`."""
