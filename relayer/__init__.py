"""Postroad: verified messages between blockchains."""
