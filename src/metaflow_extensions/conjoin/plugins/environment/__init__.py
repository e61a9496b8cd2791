"""The environments of steps: what is asked for, resolved, hydrated, and what a task finds.

Every module here is imported by every Metaflow process, also by the Python of a step (3.8 or later) and in
bare containers: standard library and Metaflow at module level, the engine (:mod:`conjoin`) inside functions
of the launcher alone.
"""
