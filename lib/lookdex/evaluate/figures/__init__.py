"""Figures of evaluation results, in the style of the answer sheets."""
