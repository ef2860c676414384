"""AUCs, controls, plots and pages."""
