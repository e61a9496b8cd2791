"""What ``import metaflow`` gains from the extension."""

toplevel = "holdfast_toplevel"
