"""What Hypothesis does not check where the examples of a property share a fixture."""

from hypothesis import HealthCheck, settings

SHARED_FIXTURE = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]
"""What the suite leaves out, and this: the property itself keeps its examples apart."""
