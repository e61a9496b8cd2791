"""What may be chosen: versions as ordinals, wheels by the Pythons they serve, who provides what."""
