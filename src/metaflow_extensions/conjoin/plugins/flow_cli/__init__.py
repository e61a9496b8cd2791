"""What a flow's command line and Metaflow's Runner offer about environments.

Thin: parse, call what runs call too (:mod:`..environment`), print. The modules that Metaflow imports in every
process import nothing of the engine; functions do.
"""
