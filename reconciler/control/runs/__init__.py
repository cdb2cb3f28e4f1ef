"""How runs come into being and end: the clock, admission, standing, explanations."""
