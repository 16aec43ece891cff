"""Collections of videos and their labels."""
