"""What builds this project: installing the pinned tools, compiling the contracts."""
