"""Pure: values in, values out. No I/O, clock, chance, logging or environment."""
