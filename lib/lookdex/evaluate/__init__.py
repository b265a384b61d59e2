"""How good models, vectors and answers are, on one scale: pure measures here, the verbs in `commands`."""
