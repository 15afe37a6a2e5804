"""What can honestly be said about a debt: result, timing, interval, scope, and every printed sentence."""
