"""The tests: pure ones in unit/, the others by the part they prove, whole stories in journeys/."""
