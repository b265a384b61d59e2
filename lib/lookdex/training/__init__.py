"""Training of lookdex-tiny and of custom models: data, losses, loops and measures. Not needed to run lookdex."""
