"""The HTTP door: translates requests into calls of the features, and answers into JSON. Decides nothing."""
