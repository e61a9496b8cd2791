"""How single requirements, versions and places are written."""
