"""Descriptions in files of their own: as good as written in the manifest, wherever it lies."""

import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Desired
from reconciler.manifest.files import Bundle, SingleFile, Source, Stream, Submitted
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.git.stamp import RACY_NS, FolderStamps
from reconciler.manifest.load.gather import named_files
from reconciler.manifest.load.load import load, load_bundle, reuse_of
from reconciler.manifest.load.several import Several
from reconciler.manifest.overlaid import Overlaid
from reconciler.manifest.referenced.scan import scan
from tests.support.builders import an_agent, an_autopilot, desired, text_of
from tests.support.git import GitFolder

PROMPT = "# Triage\n\nRead the issues opened since yesterday: label them.\n"
MANIFEST = text_of(an_agent(), an_autopilot(descriptionFrom={"file": "prompts/triage.md"})).encode()
KEY = Key("Autopilot", "platform", "nightly-triage")
FILES = {"team/all.yaml": MANIFEST, "team/prompts/triage.md": PROMPT.encode()}


def description(loaded: Desired) -> str:
    text: str = loaded.objects[KEY].document["spec"]["description"]
    return text


def problems(files: dict[str, bytes]) -> list[str]:
    return problems_of(Bundle(files))


def problems_of(source: Source) -> list[str]:
    with pytest.raises(InvalidManifests) as invalid:
        load(source, source_id="default")
    return [str(problem) for problem in invalid.value.problems]


def with_prompt(prompt: bytes) -> dict[str, bytes]:
    return {**FILES, "team/prompts/triage.md": prompt}


def naming(file: str) -> bytes:
    return text_of(an_agent(), an_autopilot(descriptionFrom={"file": file})).encode()


def test_it_means_the_same_as_the_text_written_in_the_manifest() -> None:
    inline = desired(an_agent(), an_autopilot(description=PROMPT)).objects[KEY]
    assert load_bundle(FILES, source_id="default").objects[KEY].digest == inline.digest


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_breaks_and_a_byte_order_mark_are_no_part_of_it(newline: str) -> None:
    prompt = ("\ufeff" + PROMPT.replace("\n", newline)).encode()
    assert description(load_bundle(with_prompt(prompt), source_id="x")) == PROMPT


@pytest.mark.parametrize(
    ("file", "why"),
    [
        pytest.param("/etc/passwd", "the path is absolute", id="absolute"),
        pytest.param("../secret.md", "'..' leads out", id="above"),
        pytest.param("prompts/../../x.md", "'..' leads out", id="above, further in"),
        pytest.param(".env", "starts with '.'", id="hidden"),
        pytest.param("a/.git/config", "starts with '.'", id="in a hidden folder"),
        pytest.param("a//b.md", "is empty", id="no name between slashes"),
        pytest.param("prompts/", "is empty", id="a folder"),
        pytest.param("", "1 to 500 characters", id="empty"),
        pytest.param("a" * 501, "1 to 500 characters", id="too long"),
        pytest.param("a\\b.md", "backslash", id="backslash"),
        pytest.param("a\x7f.md", "control character", id="control character"),
    ],
)
def test_a_path_that_leads_anywhere_else_is_refused(file: str, why: str) -> None:
    (problem,) = problems({"team/all.yaml": naming(file)})
    assert "spec.descriptionFrom.file: " in problem
    assert why in problem
    assert problem.endswith("[file-reference]")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"team/all.yaml": MANIFEST},
            "team/all.yaml:4:146: spec.descriptionFrom.file: prompts/triage.md: there is no such "
            "file here; add it, or write its text into the manifest [file-unreadable]",
            id="missing",
        ),
        pytest.param(
            with_prompt(b" \n\n"),
            "team/all.yaml:4:146: spec.descriptionFrom.file: prompts/triage.md is empty; write "
            "into it what the agent is asked to do [value-length]",
            id="empty",
        ),
        pytest.param(
            with_prompt(b"x" * 100_001),
            "team/all.yaml:4:146: spec.descriptionFrom.file: prompts/triage.md: expected at most "
            "100000 characters, found 100001 [value-length]",
            id="too long",
        ),
        pytest.param(
            with_prompt(b"x" * (1024**2 + 1)),
            "team/all.yaml:4:146: spec.descriptionFrom.file: prompts/triage.md: the file is larger "
            "than 1 MiB; split it [file-too-large]",
            id="larger than any file",
        ),
        pytest.param(
            with_prompt(b"one\ntwo \xff"),
            "team/prompts/triage.md:2:5: byte 0xff is not UTF-8; save the file as UTF-8 "
            "[file-encoding]",
            id="not UTF-8",
        ),
        pytest.param(
            with_prompt(b"one\x00"),
            "team/prompts/triage.md:1:4: the character U+0000 is not allowed; remove it "
            "[file-character]",
            id="NUL",
        ),
        pytest.param(
            {
                "team/all.yaml": text_of(
                    an_agent(),
                    an_autopilot(description="x", descriptionFrom={"file": "prompts/triage.md"}),
                ).encode()
            },
            "team/all.yaml:4:148: spec.descriptionFrom: description and descriptionFrom are both "
            "given; keep one of them [field-conflict]",
            id="both",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_is_wrong(files: dict[str, bytes], expected: str) -> None:
    (problem,) = problems(files)
    assert _without_column(problem) == _without_column(expected)


def _without_column(problem: str) -> str:
    """Builders write a document in one line; columns are the matter of test_load.py."""
    path, line, column, message = problem.split(":", 3)
    assert int(column) > 0
    return f"{path}:{line}:{message}"


def test_a_bad_file_that_many_name_is_one_problem() -> None:
    documents = [
        an_autopilot(name, descriptionFrom={"file": "prompts/triage.md"}) for name in ("a", "b")
    ]
    files = {**with_prompt(b"\xff"), "team/all.yaml": text_of(an_agent(), *documents).encode()}
    assert len(problems(files)) == 1


def test_a_stream_has_no_files_beside_it() -> None:
    (problem,) = problems_of(Stream(MANIFEST))
    assert "nothing lies beside a stream; give a folder" in problem


def test_an_edit_of_the_prompt_alone_is_seen() -> None:
    before = load_bundle(FILES, source_id="x")
    reuse = reuse_of({file.path: file for file in before.files}, before.objects)
    assert load_bundle(FILES, source_id="x", reuse=reuse) == before
    after = load_bundle(with_prompt(b"Close them.\n"), source_id="x", reuse=reuse)
    assert description(after) == "Close them.\n"
    assert after.revision != before.revision


class TestEverySource:
    """The same manifest and prompt, from wherever manifests are read."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "source"
        for path, data in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return root

    @pytest.mark.parametrize(
        "source_at",
        [
            pytest.param(Folder, id="folder"),
            pytest.param(lambda root: Several.at([str(root)]), id="a folder of a command line"),
            pytest.param(
                lambda root: Several.at([str(root / "team/all.yaml")]), id="a file of one"
            ),
            pytest.param(lambda root: SingleFile(root / "team/all.yaml"), id="single file"),
            pytest.param(lambda _: Bundle(FILES), id="bundle"),
            pytest.param(
                lambda _: Submitted(
                    {"team/all.yaml": MANIFEST}, {"team/prompts/triage.md": PROMPT.encode()}
                ),
                id="sent to a server",
            ),
            pytest.param(
                lambda root: Overlaid(Folder(root), "team/prompts/triage.md", PROMPT.encode()),
                id="as it would be after an edit",
            ),
        ],
    )
    def test_the_text_is_that_of_the_file(self, root: Path, source_at: object) -> None:
        source: Source = source_at(root)  # type: ignore[operator]
        assert description(load(source, source_id="x")) == PROMPT

    def test_a_commit_has_its_own_text(self, root: Path) -> None:
        made = GitFolder.make(root)
        first = made.commit("First")
        (root / "team/prompts/triage.md").write_text("Close them.\n")
        second = made.commit("Second")
        repository = Repository(root / ".git")
        texts = [
            description(load(repository.tree(commit), source_id="x")) for commit in (first, second)
        ]
        assert texts == [PROMPT, "Close them.\n"]

    def test_a_checkout_is_its_commit_only_with_the_commits_text(self, root: Path) -> None:
        head = GitFolder.make(root).commit("First")

        def revision() -> str:
            checkout = Checkout.around(Folder(root))
            assert checkout is not None
            return load(checkout, source_id="x", revision=checkout.revision).revision.id

        assert revision() == head
        (root / "team/prompts/triage.md").write_text("Close them.\n")
        assert revision() != head

    def test_a_link_leads_to_a_file_of_the_source_and_no_further(
        self, root: Path, tmp_path: Path
    ) -> None:
        prompt = root / "team/prompts/triage.md"
        prompt.rename(root / "shared.md")
        prompt.symlink_to("../../shared.md")
        assert description(load(Folder(root), source_id="x")) == PROMPT
        (tmp_path / "secret").write_text("the key")
        prompt.unlink()
        prompt.symlink_to(tmp_path / "secret")
        self._refused(Folder(root), "the link leaves the source's folder")

    def test_a_link_of_a_commit_leads_to_a_file_of_it_and_no_further(self, root: Path) -> None:
        made, prompt = GitFolder.make(root), root / "team/prompts/triage.md"
        prompt.rename(root / "shared.md")
        prompt.symlink_to("../../shared.md")
        repository = Repository(root / ".git")
        tree = repository.tree(made.commit("Inside"))
        assert description(load(tree, source_id="x")) == PROMPT
        prompt.unlink()
        prompt.symlink_to("../../../secret")
        tree = repository.tree(made.commit("Outside"))
        self._refused(tree, "the link leaves the source's folder")

    def test_what_is_no_file_is_never_waited_for(self, root: Path) -> None:
        prompt = root / "team/prompts/triage.md"
        prompt.unlink()
        os.mkfifo(prompt)
        self._refused(Folder(root), "no regular file")

    def _refused(self, source: Source, why: str) -> None:
        (problem,) = problems_of(source)
        assert why in problem

    def test_a_followed_folder_is_read_again_when_the_prompt_changes(self, root: Path) -> None:
        later = max(path.stat().st_ctime_ns for path in root.rglob("*")) + 2 * RACY_NS
        stamps = FolderStamps(root)
        before = stamps.at(later)
        (root / "team/prompts/triage.md").write_text("Close them.\n")
        assert stamps.at(later + 10 * RACY_NS) != before


PLAIN = st.from_regex(r"_?p[a-z0-9_.-]{0,8}(/[a-z0-9_][a-z0-9 _.-]{0,6}[a-z]){0,2}", fullmatch=True)
FORMS = [
    "descriptionFrom: {{file: {}}}",
    "descriptionFrom: {{ file: {} }}  # the prompt",
    'descriptionFrom: {{"file": "{}"}}',
    "descriptionFrom: {{'file': '{}'}}",
    "descriptionFrom:\n    file: {}",
    "descriptionFrom:\n    file: '{}'",
    "descriptionFrom:\n    # the prompt\n    file: {}",
    "'descriptionFrom':\n      {{file: {}}}",
    '"descriptionFrom" : {{file : {}}}',
    "descriptionFrom:   # the prompt\n    file: >-\n      {}",
    "descriptionFrom: {{\n    file: {},\n    }}",
]


@given(st.lists(st.tuples(PLAIN, st.sampled_from(FORMS)), min_size=1, max_size=3))
def test_named_files_are_found_however_they_are_written(named: list[tuple[str, str]]) -> None:
    text = "".join(
        "---\napiVersion: autopilots/v1\nkind: Autopilot\nmetadata: {name: a}\n"
        f"spec:\n  title: descriptions\n  {form.format(file)}\n"
        for file, form in named
    )
    assert set(named_files(text.encode(), "a.yaml")) == {file for file, _ in named}


def test_a_manifest_that_names_no_file_is_not_parsed_for_it() -> None:
    assert scan(text_of(an_agent(), an_autopilot()).encode()) == ()


def test_a_name_that_nobody_sees_without_parsing_is_refused() -> None:
    """Else an edit of the prompt would go unnoticed, since the manifest is as it was."""
    hidden = MANIFEST.replace(b'"descriptionFrom"', b'"description\\u0046rom"')
    (problem,) = problems({**FILES, "team/all.yaml": hidden})
    assert "plainly, without escapes or breaks" in problem


def test_a_problem_of_a_sender_is_told(tmp_path: Path) -> None:
    unread = Problem("team/prompts/triage.md", 1, 1, "", "permission denied", "file-unreadable")
    sent = Submitted({"team/all.yaml": MANIFEST}, {"team/prompts/triage.md": unread})
    (problem,) = problems_of(sent)
    assert "prompts/triage.md: permission denied" in problem
