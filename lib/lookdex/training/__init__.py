"""How lookdex-tiny is trained: data, losses, loops and measures. Not needed to run lookdex."""
