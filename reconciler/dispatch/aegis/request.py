"""What a run asks an Aegis server for: a session, and the text that is typed into it."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.paste import prompt_of, typed
from reconciler.dispatch.aegis.prompt import CREATE_LIMIT, SEND_LIMIT, is_cut, units
from reconciler.dispatch.base import Job


@dataclass(frozen=True, slots=True)
class Request:
    """One run's. Up to 10,000 characters are sent; longer texts go with a batch."""

    job: Job
    runtime: AegisRuntime

    @property
    def keys(self) -> str:
        """What is typed."""
        return typed(prompt_of(self.job), CREATE_LIMIT if self.by_batch else SEND_LIMIT)

    @property
    def by_batch(self) -> bool:
        """Whether the text goes with the creation.

        Never with a single creation: that may type it into somebody's idle session.
        """
        return self._long and not self._shaped

    @property
    def refusal(self) -> str | None:
        """Why the text cannot be given to the agent whole, where more than a payload is cut."""
        too_long = self._long and self._shaped and is_cut(prompt_of(self.job), SEND_LIMIT)
        return _TOO_LONG if too_long else None

    def body(self) -> Mapping[str, Json]:
        """Only what the manifest sets: request schemas are strict and differ between versions."""
        request: dict[str, Json] = {"workDir": self.runtime.work_dir, "name": self.job.run_id}
        optional = {
            "permissionMode": self.runtime.permission_mode,
            "model": self.runtime.model,
            "env": dict(self.job.env) or None,
            "prompt": self.keys if self.by_batch else None,
        }
        return request | {name: value for name, value in optional.items() if value is not None}

    @property
    def _long(self) -> bool:
        return units(typed(prompt_of(self.job), CREATE_LIMIT)) > SEND_LIMIT

    @property
    def _shaped(self) -> bool:
        """Whether the session has a model or variables, which a batch does not take."""
        return self.runtime.model is not None or bool(self.job.env)


_TOO_LONG = (
    f"what the agent is asked to do has more than {SEND_LIMIT:,} characters, which Aegis takes "
    "for sessions without model and env only: shorten spec.description, or leave these two out"
)
