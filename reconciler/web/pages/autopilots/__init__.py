"""The pages of autopilots: all of them, one of them, and how one is made or edited."""
