"""Manifests: YAML read with its lines, checked, and filled in."""
