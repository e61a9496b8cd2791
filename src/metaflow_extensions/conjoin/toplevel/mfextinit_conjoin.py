"""What ``import metaflow`` gains from the extension."""

toplevel = "conjoin_toplevel"
