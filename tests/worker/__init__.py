"""Workers as processes that are killed, stopped and raced, on either database and a real chain."""
