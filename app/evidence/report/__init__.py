"""The printed report of one assessment: words and figures in, one deterministic PDF out."""
