"""The evaluations of the folds of a cross-validation, put together: every study judged once."""
