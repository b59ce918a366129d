"""How good the model is: agreement, discrimination, frozen cut-offs, baselines, and the report."""
