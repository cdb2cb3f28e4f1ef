"""What `serve` follows: a folder or a repository that was named, or those of the settings."""

import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

from reconciler.clock import SystemClock
from reconciler.control.access.keys import token_hasher
from reconciler.control.apply.follow_source import Place, SourceFollower
from reconciler.control.apply.followed_ref import FollowedRef
from reconciler.control.apply.forge import Forge, project_of
from reconciler.control.apply.policy import policy_of
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import LoadedSource, load_source
from reconciler.control.apply.write_back import SourceWriter, WriteChecks
from reconciler.control.apply.write_folder import FolderWriter
from reconciler.control.apply.write_git import GitWriter
from reconciler.core.base.errors import UsageError
from reconciler.core.base.masking import mask
from reconciler.manifest.git.mirror import Mirror
from reconciler.manifest.git.stamp import FolderStamps, Stamp
from reconciler.manifest.load.checkpoint import Checkpoint
from reconciler.manifest.watch import watch_path
from reconciler.server.followed import FollowedSource
from reconciler.settings import Settings
from reconciler.store.engine.database import Database


def places_of(settings: Settings, path: str | None) -> dict[str, Place]:
    """What is followed, by the source's name. Raises UsageError."""
    named = [
        what
        for what, is_named in (
            ("PATH", path is not None),
            ("--git", settings.git is not None),
            ("[[sources]]", bool(settings.sources)),
        )
        if is_named
    ]
    if len(named) > 1:
        raise UsageError(f"serve follows {' or '.join(named)}, not both; name each source once")
    if settings.git is None and settings.model_fields_set & {"git_ref", "git_path"}:
        raise UsageError("--ref and --path are for a repository; name it with --git URL")
    places = _places(settings, path)
    for name, place in places.items():
        if place.url is None and not Path(place.path).is_dir():
            message = f"{place.path} is not a folder; serve follows a folder of manifests"
            raise UsageError(message if path else f"source {name!r}: {message}")
    _require_writable(settings, places)
    return places


def _require_writable(settings: Settings, places: dict[str, Place]) -> None:
    """Whoever says how writes are carried out expects that some are. Raises UsageError."""
    if settings.write_policy == "reject" or not places:
        return
    for_folders = settings.write_policy == "files"
    if not any((place.url is None) is for_folders for place in places.values()):
        wanted = "folders" if for_folders else "repositories (--git)"
        raise UsageError(f"write_policy {settings.write_policy} is for {wanted}; none is followed")


def _places(settings: Settings, path: str | None) -> dict[str, Place]:
    if path is not None:
        return {settings.source: Place(path)}
    if settings.git is not None:
        return {settings.source: Place(settings.git_path or "", settings.git, settings.git_ref)}
    return {
        source.id: Place(source.path, source.git, source.ref if source.git else None)
        for source in settings.sources
    }


def follow(
    settings: Settings, state: Database, key: bytes, name: str, place: Place
) -> FollowedSource:
    """A source that is followed; within the event loop of the server."""
    policy = policy_of(settings, serving=True)

    def load_folder(checkpoint: Checkpoint) -> LoadedSource:
        return load_source(state, place.path, source_id=name, policy=policy, checkpoint=checkpoint)

    stamps = FolderStamps(Path(place.path))

    def stamp_folder(_checkpoint: Checkpoint) -> Stamp | None:
        return stamps.at(time.time_ns())

    load: Callable[[Checkpoint], LoadedSource] = load_folder
    stamp: Callable[[Checkpoint], Hashable | None] = stamp_folder
    if place.url is not None:
        mirror = Mirror.below(settings.git_dir, place.url)
        followed = FollowedRef(state, mirror, place.ref or "main", place.path, name, policy)
        load, stamp = followed.load, followed.stamp
    checks = WriteChecks(
        database=state,
        source_id=name,
        policy=policy,
        token_hash=token_hasher(key),
        self_heal=settings.self_heal,
        allow_rewrites=settings.allow_rewrites,
    )
    is_folder = place.url is None
    poll = settings.poll_interval if is_folder else settings.git_poll_interval
    follower = SourceFollower(
        state,
        name,
        load,
        checks.token_hash,
        self_heal=settings.self_heal,
        allow_rewrites=settings.allow_rewrites,
        files=SourceFiles.below(Path(place.path)) if is_folder else None,
        writer=_writer(settings, place, checks),
        place=place,
        stamp=stamp,
    )
    watch = partial(watch_path, Path(place.path)) if is_folder else None
    return FollowedSource(follower, poll.total_seconds(), watch)


def _writer(settings: Settings, place: Place, checks: WriteChecks) -> SourceWriter | None:
    """What writes into a source; None where writes are rejected."""
    match settings.write_policy:
        case "files" if place.url is None:
            return FolderWriter(Path(place.path), checks)
        case "branch" | "commit" as policy if place.url is not None:
            return GitWriter(
                mirror=Mirror.below(settings.git_dir, place.url),
                branch=(place.ref or "main").removeprefix("refs/heads/"),
                path=place.path,
                checks=checks,
                now=SystemClock().now,
                proposes=policy == "branch",
                domain=settings.write_email_domain,
                forge=_forge(settings, place.url),
            )
    return None


def _forge(settings: Settings, url: str) -> Forge | None:
    """What opens pull requests for a repository; None without a token. Raises UsageError."""
    if settings.forge_token is None:
        return None
    if (project := project_of(url)) is None:
        raise UsageError(f"forge_token is set, and {mask(url)} is no repository of a forge")
    return Forge(settings.forge_url, project, settings.forge_token.get_secret_value())
