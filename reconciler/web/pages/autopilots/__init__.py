"""The pages of autopilots: all of them, one of them."""
