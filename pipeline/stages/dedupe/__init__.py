"""Duplicates: the stages that find and drop them, exact and near, in one corpus and against earlier runs."""
