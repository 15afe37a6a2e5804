"""What needs tools of the operating system."""
