"""Encodings of other people's making."""
