"""What wheels are built from: archives, git commits, folders of this machine."""
