"""Quality measures of models, vectors and answers. Their commands are in `lookdex.cli.evaluate`."""
