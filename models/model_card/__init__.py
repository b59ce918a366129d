"""The model card: a template over an evaluation report; no number of its own."""
