"""Families, signals, scores and campaigns."""
