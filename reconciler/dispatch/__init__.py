"""How a run reaches an agent: one folder for each runtime, and the registry over them."""
