# SPDX-License-Identifier: MIT
"""Endpoints: planned from what the chain says, shown before they are sent,
safe to run twice, checked afterwards.
"""
