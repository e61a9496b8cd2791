"""A run on this machine: environments resolved, hydrated beside the scheduler, and tasks put into them."""
