"""Local chains for tests, demonstrations and first steps."""
