"""Pictures of what was measured, drawn with the letters, shapes and colours of the answers' sheets."""
