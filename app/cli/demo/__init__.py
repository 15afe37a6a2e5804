"""The main job from end to end on a chain of its own: play, record, read, assess, seal, verify."""
