"""The report: what all steps counted, as one HTML file."""
